/** What planning and executing a restore take and answer; both verbs share one shape. */

import { z } from 'zod';
import {
  count,
  envelope,
  generation,
  instant,
  integrityCheck,
  path,
  replica,
  seconds,
  timestamp,
  txid,
  txidOut,
  waitSeconds,
  whole,
} from '../fields.ts';

const output = z.string().min(1).max(1024);

/** What is asked for; the same words in both verbs. */
const target = {
  path: path.optional(),
  replica: replica.optional(),
  timestamp: timestamp.optional(),
  txid: txid.optional(),
  generation: generation.optional(),
  index: whole(0, Number.MAX_SAFE_INTEGER).optional(),
  output: output.describe('New file; left out: NAME-TXID.db in the first allowed directory').optional(),
  /** The word the original's tool used for `output`. */
  o: output.describe('Same as output').optional(),
  integrity_check: integrityCheck.optional(),
  strict: z.boolean().describe('Refuse when the reached point is too far before the asked one').optional(),
  max_shortfall_seconds: whole(0, 31_536_000).describe('What strict allows; default 60').optional(),
  if_db_not_exists: z.boolean().optional(),
  if_replica_exists: z.boolean().optional(),
};

export const planInput = z.strictObject(target);

export const restoreInput = z.strictObject({
  ...target,
  plan_id: z.string().max(200).describe('Plan to carry out; other arguments absent or equal').optional(),
  wait_seconds: waitSeconds.optional(),
  /** Operators only: replace an existing output, keeping the old file (decision 27). */
  force: z.boolean().describe('Operators only').optional(),
  /** Operators only: show the plan with its files. */
  dry_run: z.boolean().describe('Plan only').optional(),
});

/** A state: of LTX data by its transaction, of version 0.3 by the WAL it ends in and where its last piece begins. */
const moment = z.strictObject({
  txid: txidOut.optional(),
  wal_index: z.string().optional(),
  wal_offset: z.string().optional(),
  time: instant,
});

const planOut = z.strictObject({
  /** Absent where nothing can be executed by id, as for operators. */
  plan_id: z.string().optional(),
  expires_at: instant.optional(),
  database: z.string(),
  replica: z.string(),
  replica_type: z.string().optional(),
  format: z.enum(['ltx', 'v3']),
  generation: z.string(),
  /** Why this format, where the replica holds both. */
  format_reason: z.string().optional(),
  asked: z.strictObject({ timestamp: instant.optional(), txid: txidOut.optional(), wal_index: z.string().optional() }),
  reached: moment,
  short_by_seconds: seconds.optional(),
  next_point: moment.optional(),
  output: z.string().optional(),
  files: count,
  bytes_to_read: count,
  bytes_to_write: count.optional(),
  free_bytes: count.optional(),
  estimated_seconds: seconds.optional(),
  integrity_check: integrityCheck,
  leaves_out: z.strictObject({ transactions: count, since: instant.optional() }).optional(),
  proven: z.strictObject({ txid: txidOut, at: instant }).optional(),
  /** Operators only. */
  file_list: z
    .array(
      z.strictObject({
        level: count.optional(),
        name: z.string(),
        min_txid: txidOut.optional(),
        max_txid: txidOut.optional(),
        size: count,
        timestamp: instant,
      }),
    )
    .optional(),
});

const restoredOut = z.strictObject({
  output: z.string(),
  database: z.string(),
  replica: z.string(),
  txid: txidOut.optional(),
  /** Where it came from version 0.3. */
  generation: z.string().optional(),
  wal_index: z.string().optional(),
  time: instant,
  size_bytes: count,
  pages: count,
  integrity_check: z.enum(['ok', 'skipped']),
  checksum: z.string().optional(),
  duration_ms: count,
  replanned: z.boolean(),
  /** Where the file that stood at `output` was kept (`force`). */
  replaced: z.string().optional(),
});

export const restoreOutput = z.strictObject({
  ...envelope,
  mode: z.enum(['plan', 'running', 'done', 'nothing_to_do']),
  plan: planOut.optional(),
  execute: z
    .strictObject({
      allowed: z.boolean(),
      needs: z.array(z.string()),
      confirm: z.enum(['auto', 'elicit', 'operator']),
      reason: z.string().optional(),
    })
    .optional(),
  job_id: z.string().optional(),
  restored: restoredOut.optional(),
  open_with: z.string().optional(),
  /** Why nothing was to do. */
  reason: z.string().optional(),
});

export type PlanInput = z.output<typeof planInput>;
export type RestoreInput = z.output<typeof restoreInput>;
export type RestoreOutput = z.output<typeof restoreOutput>;
export type PlanOut = z.output<typeof planOut>;
