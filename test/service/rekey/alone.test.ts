import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ReplicaSettings } from '../../../src/engine/options.ts';
import { pathLayout } from '../../../src/replica/layout.ts';
import { Lease } from '../../../src/replica/lease.ts';
import { LEASE_NAME } from '../../../src/replica/lease-record.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { aloneOffline } from '../../../src/service/rekey/alone.ts';
import { isOwned, OwnerLock } from '../../../src/sqlite/owner-lock.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';

let directory: TempDirectory;
let metaPath: string;
beforeEach(async () => {
  directory = await tempDirectory();
  metaPath = join(directory.path, '.app.db-litestream');
  mkdirSync(metaPath);
});
afterEach(() => directory.remove());

const settings = (lease = false): ReplicaSettings => ({
  name: 'file',
  store: { type: 'file', path: '/unused' },
  syncIntervalMs: 1000,
  maxSyncFiles: 256,
  ...(lease ? { lease: { ttlMs: 30_000, owner: 'here' } } : {}),
});

function options({ lease = false, meta = metaPath } = {}) {
  const clock = new FakeClock();
  const store = new MemoryStore({ clock });
  const replica = new Replica(store, pathLayout, 'db');
  return { clock, store, replica, metaPath: meta, settings: settings(lease), signal: new AbortController().signal };
}

test('the database is owned meanwhile, and given back', async () => {
  const at = options();
  expect(await aloneOffline(at, async () => isOwned(metaPath))).toBe(true);
  expect(isOwned(metaPath)).toBe(false);
  await expect(aloneOffline(at, () => Promise.reject(new Error('work failed')))).rejects.toThrow('work failed');
  expect(isOwned(metaPath)).toBe(false);
});

test('nothing is done while another process replicates the database', async () => {
  const owner = OwnerLock.acquire(metaPath, { pid: 1, startedAt: 0 });
  let done = false;
  await expect(
    aloneOffline(options(), async () => {
      done = true;
    }),
  ).rejects.toMatchObject({ code: 'DB_OWNED' });
  expect(done).toBe(false);
  owner.release();
});

test('a machine that never replicated needs no lock', async () => {
  expect(await aloneOffline(options({ meta: join(directory.path, 'none') }), async () => 7)).toBe(7);
});

test('the lease is held and renewed meanwhile, and given back', async () => {
  const at = options({ lease: true });
  await aloneOffline(at, async () => {
    for (let i = 0; i < 12; i++) {
      await at.clock.advance(10_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await at.replica.mayWrite();
  });
  const other = new Lease({ store: at.store, key: at.replica.aux.key(LEASE_NAME), ttlMs: 30_000, owner: 'there', clock: at.clock });
  expect(await other.step()).toBe(true);
});

test('nothing is done while another machine has the lease, and nothing is written once it was lost', async () => {
  const at = options({ lease: true });
  const other = new Lease({ store: at.store, key: at.replica.aux.key(LEASE_NAME), ttlMs: 30_000, owner: 'there', clock: at.clock });
  await other.step();
  await expect(aloneOffline(at, async () => {})).rejects.toMatchObject({
    code: 'LEASE_HELD',
    message: expect.stringContaining('there has the lease'),
  });
  await other.release();
  await aloneOffline(at, async () => {
    await at.store.delete([at.replica.aux.key(LEASE_NAME)]);
    await other.step();
    for (let i = 0; i < 6; i++) {
      await at.clock.advance(10_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await expect(at.replica.mayWrite()).rejects.toMatchObject({ code: 'LEASE_HELD' });
  });
});
