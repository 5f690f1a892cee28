/** Destinations of many dates, and replicas of members that are gone, in every kind of store. */

import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TXID } from '../../src/formats/ltx/txid.ts';
import { type DatedReplica, destinationAt, listDestinations, removeDestination } from '../../src/replica/dated.ts';
import { groupsBelow } from '../../src/replica/groups.ts';
import { keyOf, layoutFor } from '../../src/replica/layout.ts';
import { openReplica } from '../../src/replica/open.ts';
import { findLostMembers } from '../../src/service/directories/lost.ts';
import type { DirectorySettings } from '../../src/service/directories/options.ts';
import { MemoryStore } from '../../src/storage/memory/memory.ts';
import { prefixInStore } from '../../src/storage/place.ts';
import type { StoreSpec } from '../../src/storage/spec.ts';
import { makeContainer } from '../storage/abs/container.ts';
import { makeBucket } from '../storage/gs/bucket.ts';
import { testBucket } from '../storage/nats/buckets.ts';
import { newBucket } from '../storage/oss/bucket.ts';
import { TestBucket } from '../storage/s3/bucket.ts';
import { describeWith, SERVICE_START_MS, type ServiceName, service } from '../support/services.ts';
import { tempDirectory } from '../support/temp-directory.ts';

const DAYS = ['2026-11-09', '2026-11-10', '2026-11-11'];
const RANGE = { minTXID: 1n as TXID, maxTXID: 1n as TXID };

/** Leaves a file where a replica with this path would have one. */
async function put(spec: StoreSpec): Promise<void> {
  const replica = await openReplica(spec);
  const body = {
    size: 3,
    open: async function* () {
      yield Buffer.from('abc');
    },
  };
  await replica.store.put(keyOf(layoutFor(spec.type), prefixInStore(spec), 0, RANGE), body, { createdAt: Date.now() });
  await replica.close();
}

async function keysOf(spec: StoreSpec, prefix: string): Promise<string[]> {
  const replica = await openReplica(spec);
  const keys: string[] = [];
  for await (const { key } of replica.store.list(prefix)) keys.push(key);
  await replica.close();
  return keys;
}

/** The same for every kind of store; `root` ends with a slash or is empty. */
function promises(make: () => Promise<{ readonly base: StoreSpec; readonly root: string; readonly dispose?: () => Promise<void> }>): void {
  let base: StoreSpec;
  let root: string;
  let dispose: (() => Promise<void>) | undefined;
  const at = (path: string): StoreSpec => ({ ...base, path: `${root}${path}` });

  beforeAll(async () => {
    ({ base, root, dispose } = await make());
  }, SERVICE_START_MS);
  afterAll(async () => dispose?.());

  test('every date is found, newest first, and nothing else; one is removed without the rest', async () => {
    for (const day of DAYS) await put(at(`dated/${day}/app`));
    for (const other of ['dated/2026-11-10/other', 'dated/latest/app', 'dated/2026-11-1/app', 'zzz/app']) await put(at(other));
    const template = `${root}dated/$(date +%F)/app`;
    const dated: DatedReplica = { store: at('dated/2026-11-11/app'), dated: { template, zone: 'UTC' } };
    expect(destinationAt(dated, Date.UTC(2026, 10, 9, 12))).toEqual(at('dated/2026-11-09/app'));
    expect(await listDestinations(dated)).toEqual(DAYS.toReversed().map((day) => at(`dated/${day}/app`)));

    const middle = await openReplica(at('dated/2026-11-10/app'));
    await removeDestination(middle, { ...dated, store: at('dated/2026-11-10/app') }, AbortSignal.timeout(80_000));
    await middle.close();
    expect((await listDestinations(dated)).map(({ path }) => path)).toEqual(
      [at('dated/2026-11-11/app'), at('dated/2026-11-09/app')].map(({ path }) => path),
    );
    for (const kept of ['dated/2026-11-10/other', 'dated/latest/app', 'dated/2026-11-1/app', 'zzz/app'])
      expect(await keysOf(at(kept), prefixInStore(at(kept)) === '' ? '' : `${at(kept).path}/`)).toHaveLength(1);
  });

  test('no destination yet is an empty list', async () => {
    const template = `${root}nothing/$(date +%Y/%m)/x`;
    expect(await listDestinations({ store: at('nothing/x'), dated: { template, zone: 'UTC' } })).toEqual([]);
  });

  test('members of a directory that only the replica has are found, whatever they are called', async () => {
    for (const name of ['a.db', 'acme/data.db', 'acme/my data (1).db', 'über%20/x.db', 'note.txt']) await put(at(`tenants/${name}`));
    const directory = {
      dir: '/srv/tenants',
      pattern: '*.db',
      recursive: true,
      watch: false,
      template: { settings: {}, replicas: [{ name: 'x', store: at('tenants') }] },
      at: { key: '' },
    } as unknown as DirectorySettings;
    const lost = await findLostMembers(directory, []);
    expect(lost.map(({ settings }) => settings.path)).toEqual([
      '/srv/tenants/a.db',
      '/srv/tenants/acme/data.db',
      '/srv/tenants/acme/my data (1).db',
      '/srv/tenants/über%20/x.db',
    ]);
    // What was found is where it was written.
    for (const { replicas } of lost) {
      const [replica] = replicas;
      const spec = replica?.store as StoreSpec;
      expect(await keysOf(spec, prefixInStore(spec) === '' ? '' : `${spec.path}/`)).toHaveLength(1);
    }
  });
}

describe('file', () => {
  promises(async () => {
    const temp = await tempDirectory();
    return { base: { type: 'file', path: '' }, root: `${temp.path}/`, dispose: () => temp.remove() };
  });
});

const SERVERS: Readonly<Record<string, readonly [ServiceName, Parameters<typeof promises>[0]]>> = {
  oss: ['oss', async () => ({ base: await newBucket(await service('oss')), root: '' })],
  'oss below a prefix': ['oss', async () => ({ base: await newBucket(await service('oss')), root: 'pre/' })],
  gs: ['gcs', async () => ({ base: await makeBucket(), root: 'pre/' })],
  s3: [
    's3',
    async () => {
      const { name: bucket, address } = await TestBucket.create();
      const { endpoint, region, accessKeyID, secretAccessKey } = address;
      return {
        base: { type: 's3', bucket, endpoint, region, path: '', forcePathStyle: true, credentials: { accessKeyID, secretAccessKey } },
        root: '',
      };
    },
  ],
  abs: [
    'azure',
    async () => {
      const { spec } = await makeContainer();
      return { base: spec, root: 'pre/' };
    },
  ],
  nats: [
    'nats',
    async () => {
      const { url } = await service('nats');
      const bucket = await testBucket({ servers: url });
      return { base: { type: 'nats', servers: [url], bucket: bucket.name, path: '' }, root: '', dispose: () => bucket.remove() };
    },
  ],
  sftp: [
    'sftp',
    async () => {
      const { host, port, user, keyPath, hostKey, root } = await service('sftp');
      return { base: { type: 'sftp', host, port, user, keyPath, hostKeys: [hostKey], path: '' }, root: `${root}/${randomUUID()}/` };
    },
  ],
  webdav: [
    'webdav-apache',
    async () => {
      const { endpoint, user, password } = await service('webdav-apache');
      return { base: { type: 'webdav', endpoint, user, credentials: { password }, path: '' }, root: `${randomUUID()}/` };
    },
  ],
};

for (const [title, [name, make]] of Object.entries(SERVERS)) describeWith(name, title, () => promises(make));

describe('in a bucket', () => {
  test('a destination without a path of its own is never removed', async () => {
    const store: StoreSpec = { type: 'oss', bucket: 'bucket', path: '' };
    const replica = await openReplica(store);
    await expect(
      removeDestination(replica, { store, dated: { template: '$(date +%F)', zone: 'UTC' } }, new AbortController().signal),
    ).rejects.toThrow(/a dated destination without a path/);
    await replica.close();
  });

  test('each place is found with one listing, however much is in it', async () => {
    const store = new MemoryStore();
    for (let file = 0; file < 50; file++)
      for (const place of ['a', 'b/c', 'b/d'])
        await store.put(`${place}/ltx/${file}`, {
          open: async function* () {
            yield Buffer.from('x');
          },
        });
    let listings = 0;
    const counting = Object.assign(Object.create(store) as MemoryStore, {
      list: (...args: Parameters<MemoryStore['list']>) => {
        listings += 1;
        return store.list(...args);
      },
    });
    const groupOf = (key: string) => /^(.+)\/ltx\//.exec(key)?.[1];
    expect(await groupsBelow(counting, '', groupOf)).toEqual(['a', 'b/c', 'b/d']);
    expect(listings).toBe(4);
  });
});
