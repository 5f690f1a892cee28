import { existsSync, writeFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { expireReplaced, REPLACED_RETENTION_MS } from '../../src/service/companions/replaced.ts';
import { becomes, Setting, settled } from './setting.ts';

let setting: Setting;
afterEach(() => setting.end());

/** A replaced database beside `app.db`, as old as that. */
function replaced(ageMs: number): string {
  const stamp = new Date(Date.now() - ageMs).toISOString().replace(/[-:]|\.\d+/g, '');
  const path = setting.at(`app.db.replaced-${stamp}`);
  for (const suffix of ['', '-wal', '-shm']) writeFileSync(path + suffix, 'old');
  return path;
}

async function running() {
  setting.companions = [expireReplaced];
  const app = await setting.application();
  await app.exec("INSERT INTO t (body) VALUES ('first')");
  const { database } = await setting.start(setting.entry());
  await becomes(database, 'replicating');
  await settled(database);
}

test('a replaced database goes with its side files when it is old and the replica holds a newer state, and the log says so', async () => {
  setting = new Setting();
  await running();
  const old = replaced(REPLACED_RETENTION_MS + 60_000);
  const young = replaced(REPLACED_RETENTION_MS - 3_600_000);
  await setting.scheduler.run('expiry of what restores of');
  for (const suffix of ['', '-wal', '-shm']) {
    expect(existsSync(old + suffix)).toBe(false);
    expect(existsSync(young + suffix)).toBe(true);
  }
  expect(setting.lines.some((line) => JSON.stringify(line).includes(old))).toBe(true);
});

test('without a newer state at the replica nothing goes, however old', async () => {
  setting = new Setting();
  // Ten days on, nothing has been replicated since: the replacement is newer than all there is.
  setting.clock = { ...clockAhead(10 * 86_400_000) };
  await running();
  const kept = replaced(-86_400_000);
  await setting.scheduler.run('expiry of what restores of');
  expect(existsSync(kept)).toBe(true);
});

test('a replica that cannot be listed lets nothing go, and is told', async () => {
  setting = new Setting();
  await running();
  const old = replaced(REPLACED_RETENTION_MS + 60_000);
  setting.remote('one').cut('list');
  await setting.scheduler.run('expiry of what restores of');
  expect(existsSync(old)).toBe(true);
  expect(setting.messages('warn')).toContain('what restores replaced could not be looked through');
});

function clockAhead(ms: number): typeof systemClock {
  return {
    now: () => systemClock.now() + ms,
    monotonic: () => systemClock.monotonic(),
    sleep: (delay, options) => systemClock.sleep(delay, options),
  };
}
