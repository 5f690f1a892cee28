import { rmSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { becomes, Setting, STOP, settled } from '../service/setting.ts';

let at: Setting;
beforeEach(() => {
  at = new Setting();
});
afterEach(() => at.end());

test('a silent best-effort replica does not keep a new engine from beginning, and is continued when it turns out to be ahead', {
  timeout: 120_000,
}, async () => {
  const app = await at.application();
  const first = await at.start(at.entry(['extra']));
  await becomes(first.database, 'replicating');
  for (let i = 0; i < 10; i += 1) {
    await app.exec(`INSERT INTO t (body) VALUES ('only at extra ${i}')`);
    await settled(first.database);
  }
  await first.service.stop(STOP);
  const ahead = (await at.remote('extra').txids()).at(-1) ?? 0;
  rmSync(at.at('.app.db-litestream'), { recursive: true });
  at.remote('extra').cut();
  const entry = at.entry(['one', 'extra']);
  const replicas = entry.replicas.map((replica) => (replica.name === 'extra' ? { ...replica, role: 'best-effort' as const } : replica));
  const begun = performance.now();
  const { database } = await at.start({ ...entry, replicas });
  await expect.poll(async () => (await database.status()).state, { timeout: 40_000 }).toBe('replicating');
  expect(performance.now() - begun).toBeGreaterThan(10_000);
  await app.exec("INSERT INTO t (body) VALUES ('the second history')");
  await settled(database);
  expect((await at.remote('one').txids())[0]).toBe(1);
  at.remote('extra').heal();
  database.replicas[1]?.retryNow();
  await expect.poll(async () => (await at.remote('extra').txids()).at(-1), { timeout: 20_000 }).toBeGreaterThan(ahead);
  await app.exec("INSERT INTO t (body) VALUES ('in both')");
  await settled(database);
  await expect.poll(() => database.replicas[1]?.status().lagSeconds, { timeout: 20_000 }).toBe(0);
  const digest = await app.digest();
  expect(await at.restoredDigest(app, 'one')).toBe(digest);
  expect(await at.restoredDigest(app, 'extra')).toBe(digest);
});
