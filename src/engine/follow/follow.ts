/** Follows a replica until it is told to stop (docs/engine.md, Followers). */

import { Backoff } from '../../base/backoff.ts';
import { errorToData, hasCode, LitestreamError } from '../../base/errors.ts';
import { beginFollowing } from './begin.ts';
import type { Follower, FollowTools } from './follower.ts';
import type { FollowRequest } from './request.ts';

/** Longest pause after failures, ms. */
const SLOWEST_MS = 60_000;

/**
 * Keeps a read-only copy at `request.output` up to date. Runs until aborted and rejects with the signal's reason; what only a person can
 * change about the copy ends it too. Everything that concerns the replica is told (`failing`) and tried again.
 *
 * One thread of its own: waiting for readers blocks.
 */
export async function followReplica(request: FollowRequest, tools: FollowTools): Promise<never> {
  tools.signal.throwIfAborted();
  const { follower, close } = await beginFollowing(request, tools);
  try {
    return await keepFollowing(follower, request, tools);
  } finally {
    close();
  }
}

async function keepFollowing(follower: Follower, { intervalMs }: FollowRequest, { clock, signal, onNote }: FollowTools): Promise<never> {
  const backoff = new Backoff({ initialMs: intervalMs, capMs: Math.max(SLOWEST_MS, intervalMs), jitter: 0.1 });
  for (;;) {
    try {
      const isMore = await follower.round();
      backoff.reset();
      if (isMore) continue;
      await clock.sleep(intervalMs, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (isFinal(error)) throw error;
      const retryInMs = Math.round(backoff.next());
      const data = errorToData(error);
      // A file that vanished between listing and reading was merged into another one: the next round finds that.
      const isPassing = data.code === 'OBJECT_NOT_FOUND' && backoff.attempts === 1;
      if (!isPassing) onNote({ type: 'failing', error: data, retryInMs });
      follower.failed();
      await clock.sleep(retryInMs, { signal });
    }
  }
}

/** Trying again would meet the same, or might destroy something. */
function isFinal(error: unknown): boolean {
  if (!(error instanceof LitestreamError)) return true;
  return hasCode(error, 'SECOND_WRITER') || hasCode(error, 'INTERNAL') || hasCode(error, 'SQLITE_INVALID');
}
