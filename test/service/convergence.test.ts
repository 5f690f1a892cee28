import { afterEach, beforeEach, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { Fault, StoreVerb } from '../support/fault-store.ts';
import { randomFrom, seedFromEnvironment } from '../support/random.ts';
import { becomes, type Remote, Setting, settled } from './setting.ts';

let at: Setting;
beforeEach(() => {
  at = new Setting();
});
afterEach(() => at.end());

const unavailable = (): LitestreamError => new LitestreamError('STORAGE_UNAVAILABLE', 'the test has cut the line');

const seed = seedFromEnvironment();

test(`two replicas, one of them flaky, hold the same newest state when the faults end (seed ${seed})`, { timeout: 120_000 }, async () => {
  const random = randomFrom(seed);
  const app = await at.application();
  const backlog = { bytes: 400_000, ageMs: 3_600_000 };
  const { database } = await at.start(at.entry(['steady', 'flaky'], { settings: at.settings('app', { backlog }) }));
  await becomes(database, 'replicating');
  await settled(database);
  const flaky = at.remote('flaky');
  for (let round = 0; round < 40; round += 1) {
    makeFlaky(flaky, random);
    await app.exec(
      `INSERT INTO t (body) SELECT hex(randomblob(${200 + Math.floor(random() * 8000)})); DELETE FROM t WHERE id % 7 = ${round % 7};`,
    );
    await database.sync({ wait: false });
    await expect.poll(() => database.replicas[0]?.status().pendingBytes, { interval: 5 }).toBe(0);
    if (round % 10 === 9) database.replicas[1]?.retryNow();
  }
  await expect.poll(async () => (await database.status()).unprotectedSeconds).toBe(0);
  flaky.heal();
  database.replicas[1]?.retryNow();
  await expect.poll(() => database.replicas[1]?.status().lagSeconds).toBe(0);
  await app.exec("INSERT INTO t (body) VALUES ('the last one')");
  await settled(database);
  await becomes(database, 'replicating');
  const digest = await app.digest();
  expect(await at.restoredDigest(app, 'steady')).toBe(digest);
  expect(await at.restoredDigest(app, 'flaky')).toBe(digest);
  const steady = await at.remote('steady').txids();
  expect(steady).toEqual(Array.from({ length: steady.length }, (_, i) => i + 1));
  expect((await flaky.txids()).at(-1)).toBe(steady.at(-1));
});

/** One fault or none for the next calls: an error, a lost answer, a delay, a listing that breaks off, a body that is cut. */
function makeFlaky({ store }: Remote, random: () => number): void {
  const pick = random();
  if (pick < 0.25) return;
  const verbs: readonly StoreVerb[] = ['put', 'list', 'open', 'stat'];
  const on = verbs[Math.floor(random() * verbs.length)] ?? 'put';
  store.script({ on, fault: faultOf(pick, on), times: 1 + Math.floor(random() * 4) });
}

function faultOf(pick: number, on: StoreVerb): Fault {
  if (pick < 0.45) return { type: 'error', error: unavailable() };
  if (pick < 0.65 && on !== 'list') return { type: 'lost-answer', error: unavailable() };
  if (pick < 0.7 && on === 'open') return { type: 'broken', after: 2, ending: 'end' };
  if (pick < 0.8 && (on === 'list' || on === 'open')) return { type: 'broken', after: 2, ending: unavailable() };
  return { type: 'wait', gate: new Promise((resolve) => setTimeout(resolve, 40)) };
}
