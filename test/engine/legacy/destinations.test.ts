/** Data of version 0.3 at every kind of destination: uploaded as it was written, listed, and restored through all the wrappers. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import Database from 'better-sqlite3';
import { beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { planLegacy } from '../../../src/engine/legacy/plan.ts';
import { restoreLegacy } from '../../../src/engine/legacy/restore.ts';
import { nodeDisk } from '../../../src/engine/restore/disk.ts';
import { listLegacy } from '../../../src/replica/legacy/listing.ts';
import { openReplica, wrapStore } from '../../../src/replica/open.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { prefixInStore } from '../../../src/storage/place.ts';
import { STORE_TYPES } from '../../../src/storage/registry.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';
import { runJobHere } from '../../../src/workers/job-kinds.ts';
import { BACKENDS } from '../../storage/faults/backends.ts';
import { type LegacyExpected, legacyExpectations, unpackLegacy } from '../../support/legacy-fixture.ts';
import { available, SERVICE_START_MS } from '../../support/services.ts';
import { temporaryDirectory } from '../restore/setting.ts';

const latest = (): LegacyExpected => legacyExpectations('plain').find(({ at }) => at === 'latest') as LegacyExpected;

function counts(path: string): string {
  const db = new Database(path, { readonly: true });
  try {
    return (db.prepare('SELECT count(*), coalesce(sum(length(body)), 0), coalesce(max(id), 0) FROM t').raw().get() as unknown[]).join('|');
  } finally {
    db.close();
  }
}

/** Puts the fixture below `prefix`, in the order in which it was written. */
async function upload(store: ObjectStore, prefix: string): Promise<number> {
  const replica = unpackLegacy('plain', temporaryDirectory());
  const files = readdirSync(replica, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({ path, name: relative(replica, path), at: Math.round(statSync(path).mtimeMs) }))
    .sort((a, b) => a.at - b.at);
  for (const { path, name, at } of files) {
    await store.put(prefix === '' ? name : `${prefix}/${name}`, bytesBody(readFileSync(path)), { createdAt: at });
  }
  return files.length;
}

describe('data of version 0.3', () => {
  const PLACES: readonly StoreSpec[] = [
    { type: 's3', bucket: 'b', path: 'deep/db' },
    { type: 'oss', bucket: 'b', path: 'db' },
    { type: 'gs', bucket: 'b', path: 'deep/db' },
    { type: 'abs', bucket: 'b', path: 'db' },
    { type: 'nats', servers: [], bucket: 'b', path: '' },
    { type: 'sftp', host: 'h', user: 'u', path: '/srv/db' },
  ];

  test.each(PLACES)('below the prefix of $type is restored through the wrappers, in their order of time', async (spec) => {
    const memory = new MemoryStore();
    await upload(memory, prefixInStore(spec));
    await upload(memory, 'another');
    const seen: string[] = [];
    const store = wrapStore(memory, spec, { meter: ({ operation }) => seen.push(operation) });
    for (const expected of legacyExpectations('plain')) {
      const target =
        expected.at === 'latest' ? ({ type: 'latest' } as const) : { type: 'timestamp' as const, timestamp: Date.parse(expected.at) };
      const plan = planLegacy(await listLegacy(store, prefixInStore(spec)), target);
      const output = join(temporaryDirectory(), 'out.db');
      await restoreLegacy(
        { plan, output, integrity: 'none', identities: [] },
        {
          source: store,
          disk: nodeDisk,
          clock: systemClock,
          guard: { assertUnused: () => {} },
          checkIntegrity: async () => {},
          signal: new AbortController().signal,
        },
      );
      expect(counts(output), expected.at).toBe(expected.counts);
    }
    expect(new Set(seen)).toEqual(new Set(['LIST', 'GET']));
  });

  const offered = BACKENDS.filter(({ name }) => (STORE_TYPES as readonly string[]).includes(name.replace(/-.*/, '')));
  for (const backend of offered) {
    describe.skipIf(available(backend.service) !== undefined)(`at a server of ${backend.name}`, () => {
      let spec: StoreSpec;
      beforeAll(async () => {
        const place = await backend.prepare();
        spec = place.through(place.target.port, 'old/db');
      }, SERVICE_START_MS);

      test('is listed whole and restored to its newest state', async () => {
        const replica = await openReplica(spec);
        await upload(replica.store, prefixInStore(spec));
        const listing = await listLegacy(replica.store, replica.prefix);
        await replica.close();
        expect(listing.unknown).toEqual([]);
        const plan = planLegacy(listing, { type: 'latest' });
        const output = join(temporaryDirectory(), 'out.db');
        await runJobHere('restoreLegacy', { store: spec, plan, output, integrity: 'full', identities: [] });
        expect(counts(output)).toBe(latest().counts);
      });
    });
  }
});
