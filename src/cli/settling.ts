/** Waiting until databases have left the states in which nothing can be captured yet. */

import { existsSync } from 'node:fs';
import { type Clock, systemClock } from '../base/clock.ts';
import type { Control, VerbOutput } from '../control/control.ts';
import { cliCaller } from './connect.ts';

type Row = VerbOutput<'status'>['databases'][number];

const POLL_MS = 25;

/**
 * Waits until no database is starting, and none waits for a file that exists.
 * Resolves with those that have not come so far within `limitMs`.
 */
export async function settleDatabases(
  control: Control,
  options: { readonly signal: AbortSignal; readonly limitMs: number; readonly clock?: Clock },
): Promise<readonly Row[]> {
  const clock = options.clock ?? systemClock;
  const deadline = clock.monotonic() + options.limitMs;
  for (;;) {
    const { databases } = await control.call('status', {}, { caller: cliCaller(), signal: options.signal });
    const unsettled = databases.filter(({ state, path }) => state === 'starting' || (state === 'waiting' && existsSync(path)));
    if (unsettled.length === 0 || clock.monotonic() >= deadline) return unsettled;
    await clock.sleep(POLL_MS, { signal: options.signal });
  }
}
