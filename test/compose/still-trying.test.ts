/** What a person is told who waits for a destination that does not answer. */

import { expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { Logger } from '../../src/base/log.ts';
import { stillTrying } from '../../src/compose/still-trying.ts';
import { FakeClock } from '../support/fake-clock.ts';

test('one line, when requests have been repeated for three seconds', async () => {
  const clock = new FakeClock();
  const lines: unknown[] = [];
  const log: Logger = { log: (...line) => void lines.push(line), with: () => log };
  const onRetry = stillTrying(log, clock);
  const refused = new LitestreamError('STORAGE_UNAVAILABLE', 'cannot reach host', { hint: 'Check the port.' });
  onRetry('list', refused, 200);
  await clock.advance(1000);
  onRetry('list', refused, 400);
  expect(lines).toEqual([]);
  await clock.advance(1000);
  onRetry('list', refused, 1500);
  onRetry('list', refused, 20_000);
  expect(lines).toEqual([
    ['warn', 'the destination does not answer, still trying', { error: 'cannot reach host', hint: 'Check the port.' }],
  ]);
});
