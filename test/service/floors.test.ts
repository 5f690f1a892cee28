import { expect, test } from 'vitest';
import { type TXID, toTXID } from '../../src/formats/ltx/txid.ts';
import { type Askable, BEST_EFFORT_PATIENCE, Floors } from '../../src/service/floors.ts';
import { FakeClock } from '../support/fake-clock.ts';

const answers = (txid: number): Askable => ({ findPosition: async () => toTXID(txid) });
const silent = (remembered?: number): Askable => ({
  findPosition: async () => undefined,
  rememberedPosition: async () => (remembered === undefined ? undefined : (toTXID(remembered) as TXID)),
});
const signal = new AbortController().signal;

test('a required replica that does not answer is waited for without end', async () => {
  const clock = new FakeClock();
  const floors = new Floors([answers(3), silent()], clock);
  await floors.ask(signal);
  await clock.advance(24 * 3_600_000);
  expect(floors.areKnown).toBe(false);
});

test('a best-effort replica that does not answer holds the start up for a while only', async () => {
  const clock = new FakeClock();
  const required = answers(3);
  const floors = new Floors([required, silent()], clock, [required]);
  await floors.ask(signal);
  expect(floors.areKnown).toBe(false);
  await clock.advance(BEST_EFFORT_PATIENCE - 1);
  expect(floors.areKnown).toBe(false);
  await clock.advance(1);
  expect(floors.areKnown).toBe(true);
  expect(floors.highest).toBe(toTXID(3));
});

test('what a silent best-effort replica is remembered to hold is not used again', async () => {
  const clock = new FakeClock();
  const required = answers(3);
  const floors = new Floors([required, silent(9)], clock, [required]);
  await floors.ask(signal);
  expect(floors.highest).toBe(toTXID(9));
});
