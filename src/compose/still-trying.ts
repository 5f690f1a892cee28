/** Tells a person who waits for a single command that its destination does not answer. */

import type { Clock } from '../base/clock.ts';
import type { LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

/** Failures that are over by then are nobody's business. */
const QUIET_MS = 3_000;

/**
 * Called before each repetition of a request. One line, when requests have been repeated for 3 s: a command tries for minutes, and says
 * nothing else in that time. A daemon has its uploads and its `status` to tell it.
 */
export function stillTrying(log: Logger, clock: Clock): (operation: string, error: LitestreamError, delayMs: number) => void {
  let since: number | undefined;
  let told = false;
  return (_operation, error, delayMs) => {
    since ??= clock.monotonic();
    if (told || clock.monotonic() + delayMs - since < QUIET_MS) return;
    told = true;
    log.log('warn', 'the destination does not answer, still trying', {
      error: error.message,
      ...(error.hint === undefined ? {} : { hint: error.hint }),
    });
  };
}
