import { expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import type { Logger } from '../../../src/base/log.ts';
import { wrapStore } from '../../../src/replica/open.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { FaultStore } from '../../support/fault-store.ts';

const spec = (bucket: string, path: string): StoreSpec => ({ type: 's3', bucket, path });

test('stalls of all requests to a destination are one warning an episode, however many clients meet them', async () => {
  const clock = new FakeClock();
  const lines: string[] = [];
  const log: Logger = { log: (level, message) => void (level === 'warn' && lines.push(message)), with: () => log };
  const faults = new FaultStore(new MemoryStore({ clock }));
  const one = wrapStore(faults, spec('stalling', 'a'), { clock, log });
  const other = wrapStore(faults, spec('stalling', 'b'), { clock, log });
  const elsewhere = wrapStore(faults, spec('another', 'a'), { clock, log });
  const stall = (times: number) =>
    faults.script({
      on: 'stat',
      times,
      fault: {
        type: 'error',
        error: new LitestreamError('STORAGE_UNAVAILABLE', 'looking at k stalled for 60 s', { details: { stalledMs: 60_000 } }),
      },
    });
  async function stat(store: ObjectStore): Promise<void> {
    let ended = false;
    const call = store.stat('k').then(
      () => {},
      () => {},
    );
    void call.then(() => {
      ended = true;
    });
    while (!ended) {
      await settle(3);
      if (!ended) await clock.advance(clock.nextDelay ?? 0);
    }
  }
  stall(12);
  for (const client of [one, other, one, other]) await stat(client);
  expect(lines).toEqual(['looking at k stalled for 60 s, retrying']);
  stall(1);
  await stat(elsewhere);
  expect(lines).toHaveLength(2);
  await clock.advance(6 * 60_000);
  stall(2);
  await stat(other);
  expect(lines).toHaveLength(3);
});
