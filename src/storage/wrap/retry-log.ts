/** What the log says about a repetition. */

import type { LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Episode } from './episode.ts';

/**
 * A stall is worth a person's attention, because it looks like nothing at all; other repetitions are the normal life of networks.
 *
 * @param stalls of the destination, with all its other clients: one line tells an episode.
 */
export function logRetry(
  log: Logger,
  operation: string,
  error: LitestreamError,
  { delayMs, stalls }: { readonly delayMs: number; readonly stalls: Episode },
): void {
  const isStall = error.details?.stalledMs !== undefined;
  const fields = { operation, code: error.code, error: error.message, in_ms: Math.round(delayMs) };
  if (isStall && stalls.begins()) log.log('warn', `${error.message}, retrying`, { operation, code: error.code });
  else log.log('debug', 'a request to the destination is repeated', fields);
}
