import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import type { StoreSpec } from '../../../src/storage/spec.ts';
import { answeredInProcess } from '../../../src/storage/wrap/answered.ts';
import { trafficOf } from '../../../src/storage/wrap/traffic.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const spec = (bucket: string): StoreSpec => ({ type: 's3', bucket, path: 'p' });

test('a destination that has answered is known after all its clients have gone', () => {
  const clock = new FakeClock();
  const first = trafficOf(spec('answered'), { clock });
  expect(first.outage.hopeMs).toBe(15_000);
  first.outage.ended();
  first.release();
  expect(trafficOf(spec('answered'), { clock }).outage.hopeMs).toBe(Number.POSITIVE_INFINITY);
  expect(trafficOf(spec('another'), { clock }).outage.hopeMs).toBe(15_000);
});

test('a thread that begins later knows which destinations have answered', async () => {
  answeredInProcess('told').note();
  const module = new URL('../../../src/storage/wrap/answered.ts', import.meta.url).href;
  const source = `
    import { parentPort } from 'node:worker_threads';
    const { answeredInProcess } = await import(${JSON.stringify(module)});
    parentPort.postMessage(['told', 'untold'].map((key) => answeredInProcess(key).isKnown));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const known = await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
  await worker.terminate();
  expect(known).toEqual([true, false]);
});
