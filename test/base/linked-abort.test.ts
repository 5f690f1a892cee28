/** Abort controllers below the caller's signal. */

import { expect, test } from 'vitest';
import { LinkedAbort } from '../../src/base/linked-abort.ts';

test('a linked abort follows the caller, ends on its own, and leaves the caller alone', () => {
  const parent = new AbortController();
  const [first, second] = [new LinkedAbort(parent.signal), new LinkedAbort(parent.signal)];
  first.abort('mine');
  expect([first.signal.reason, parent.signal.aborted, second.signal.aborted]).toEqual(['mine', false, false]);
  const released = new LinkedAbort(parent.signal);
  released.release();
  parent.abort('theirs');
  expect([first.signal.reason, second.signal.reason, released.signal.aborted]).toEqual(['mine', 'theirs', false]);
  expect(new LinkedAbort(parent.signal).signal.reason).toBe('theirs');
});
