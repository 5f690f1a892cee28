/** `reset`: begins the local state of a database anew, through its owner only; neither the database nor a replica is touched. */

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { measureLog, moveLogAside } from '../../engine/db/local-reset.ts';
import { forgetUploads } from '../../engine/upload/upload-mark.ts';
import { formatTXID, nextTXID } from '../../formats/ltx/txid.ts';
import type { DatabaseEntry } from '../../service/options.ts';
import { count, envelope, path, txidOut } from '../fields.ts';
import { findDatabase, handleOf } from '../lookup.ts';
import { formatInstant } from '../moment.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

const input = z.strictObject({ path, dry_run: z.boolean().default(false).describe('Only tell what would be moved') });

const output = z.strictObject({
  ...envelope,
  database: z.string(),
  path: z.string(),
  /** Of the local files, absolute. */
  directory: z.string(),
  outcome: z.enum(['reset', 'nothing', 'dry_run']),
  files: count,
  bytes: count,
  /** Of a dry run: what would be moved, relative to the directory. */
  names: z.array(z.string()).optional(),
  /** Where the local files of before are now. */
  kept_in: z.string().optional(),
  /** Of the full file that comes next; absent when no daemon runs, which decides it. */
  next_txid: txidOut.optional(),
});

export const reset = defineVerb({ name: 'reset', input, output, effect: 'destroy', scope: 'restore', run });

type Input = z.output<typeof input>;
type Output = z.output<typeof output>;

async function run(world: World, args: Input, call: CallContext): Promise<Output> {
  const entry = findDatabase(world, call.caller, args.path);
  const { settings } = entry;
  const directory = join(settings.metaPath, 'ltx');
  if (!existsSync(settings.path)) {
    throw new LitestreamError('DB_NOT_FOUND', `resetting ${settings.name}: there is no database at ${settings.path}`, {
      hint: 'A database that is missing is restored, not reset: litestream restore',
    });
  }
  const { files, bytes } = measureLog(settings.metaPath);
  const facts = { as_of: formatInstant(world.clock.now()), database: settings.name, path: settings.path, directory };
  if (args.dry_run) return { ...facts, outcome: 'dry_run', files, bytes, names: namesBelow(directory) };
  const handle = handleOf(world, entry);
  if (handle !== undefined) {
    const { keptIn, floor, ...moved } = await handle.reset(`asked for by ${call.caller.principal}`);
    return { ...facts, outcome: 'reset', ...moved, ...keptAs(keptIn), next_txid: formatTXID(nextTXID(floor)) };
  }
  if (!existsSync(settings.metaPath)) return { ...facts, outcome: 'nothing', files: 0, bytes: 0 };
  const moved = await resetUnowned(entry, world.clock.now());
  return { ...facts, outcome: 'reset', files: moved.files, bytes: moved.bytes, ...keptAs(moved.keptIn) };
}

const keptAs = (keptIn: string | undefined) => (keptIn === undefined ? {} : { kept_in: keptIn });

/** Nobody replicates it: we are its owner for a moment. */
async function resetUnowned({ settings }: DatabaseEntry, now: number) {
  const { OwnerLock } = await import('../../sqlite/owner-lock.ts');
  try {
    const owner = OwnerLock.acquire(settings.metaPath, { pid: process.pid, startedAt: now });
    try {
      const moved = moveLogAside(settings.metaPath, now);
      await forgetUploads(settings.metaPath);
      return moved;
    } finally {
      owner.release();
    }
  } catch (error) {
    if (!hasCode(error, 'DB_OWNED')) throw error;
    throw new LitestreamError('DAEMON_UNREACHABLE', `resetting ${settings.name}: another process owns it; nothing was touched`, {
      cause: error,
      ...(error.details === undefined ? {} : { details: error.details }),
      hint: 'Stop that process first, or let it do the reset, if it is a litestream of this configuration.',
    });
  }
}

function namesBelow(directory: string): string[] {
  if (!existsSync(directory)) return [];
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}
