/** Brings a missing database back before its replication starts, together with what was captured of it and never uploaded. */

import { existsSync } from 'node:fs';
import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { type ErrorData, errorToData } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { ProblemLog } from '../../engine/upload/failures.ts';
import type { LocalLog } from '../../engine/upload/local-log.ts';
import { limited } from '../limited.ts';

export interface MissingDatabaseOptions {
  readonly path: string;
  readonly local: LocalLog;
  /** False when there is nothing to restore. */
  readonly restore: (signal: AbortSignal) => Promise<boolean>;
  /** Uploads what is durable locally to the replicas that count. */
  readonly flush: (signal: AbortSignal) => Promise<unknown>;
  readonly onFailed: (error: ErrorData) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

const RETRY = { initialMs: 1000, capMs: 300_000, jitter: 0.1 };
/** How long uploading what a lost database left in its local log may hold its restore up, ms. */
const LEFTOVER_LIMIT = 30_000;

/** Resolves when the database is there or there is nothing to bring back; tries again until then. Rejects with `signal.reason`. */
export async function bringBack(options: MissingDatabaseOptions, signal: AbortSignal): Promise<void> {
  const { restore, onFailed, clock, log } = options;
  const problems = new ProblemLog(clock, log, {
    level: 'error',
    failing: 'restoring the missing database failed; trying again',
    over: 'the missing database is taken care of',
  });
  const backoff = new Backoff(RETRY);
  await uploadLeftovers(options, signal);
  for (;;) {
    try {
      await restore(signal);
      problems.succeeded();
      return;
    } catch (error) {
      signal.throwIfAborted();
      const data = errorToData(error);
      onFailed(data);
      problems.failed(data.code, { error: data });
      await clock.sleep(backoff.next(), { signal });
    }
  }
}

/** What was captured and never uploaded before the file was lost belongs into what is restored. */
async function uploadLeftovers({ path, local, flush, clock, log }: MissingDatabaseOptions, signal: AbortSignal): Promise<void> {
  if (existsSync(path) || (await local.list()).length === 0) return;
  const limit = { clock, ms: LEFTOVER_LIMIT, what: 'uploading the local files of the missing database', signal };
  try {
    await limited(limit, flush);
  } catch (error) {
    signal.throwIfAborted();
    log.log('warn', 'local files of the missing database could not be uploaded before it is restored', { error: errorToData(error) });
  }
}
