import { readFile } from 'node:fs/promises';
import type { StreamConfig } from 'nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { honoursConditions } from '../../../src/storage/check/conditions.ts';
import { NATSStore } from '../../../src/storage/nats/nats.ts';
import type { NATSStoreSpec } from '../../../src/storage/spec.ts';
import { describeWith } from '../../support/services.ts';
import { chunkedBody, collect, getBytes, hangingBody, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { testBucket } from './buckets.ts';
import { TestServer } from './server.ts';

describeWith('nats', 'what a NATS server refuses', () => {
  let server: TestServer;
  const stores: NATSStore[] = [];
  beforeEach(async () => {
    server = await TestServer.create();
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await server.remove();
  });

  function storeOf(bucket: string, spec: Partial<NATSStoreSpec> = {}): NATSStore {
    const store = new NATSStore({ type: 'nats', servers: [server.url], bucket, path: '', timeoutMs: 20_000, ...spec });
    stores.push(store);
    return store;
  }

  /** Every operation on the store. */
  const operations = (store: NATSStore): readonly (() => Promise<unknown>)[] => [
    () => listKeys(store),
    () => store.open('k'),
    () => store.stat('k'),
    () => putBytes(store, 'k', patternBytes(10)),
    () => store.put('k', chunkedBody(patternBytes(10), 1), { ifAbsent: true }),
    () => store.delete(['k']),
  ];

  test('a bucket that is missing is an error with the command that makes it, and never made', async () => {
    await server.start();
    const other = await testBucket({ servers: server.url });
    const store = storeOf('backups');
    for (const operation of operations(store))
      await expect(operation()).rejects.toMatchObject({
        code: 'CONTAINER_NOT_FOUND',
        message: expect.stringContaining('backups'),
        hint: expect.stringContaining('nats object add backups'),
      });
    const manager = await other.connection.jetstreamManager();
    expect((await collect(manager.streams.names())).flat()).toEqual([`OBJ_${other.name}`]);
    await other.remove();
  });

  test('a bucket that is made, or removed, later is noticed', async () => {
    await server.start();
    const first = await testBucket({ servers: server.url });
    const store = storeOf(first.name);
    await putBytes(store, 'k', patternBytes(10));
    const manager = await first.connection.jetstreamManager();
    await manager.streams.delete(`OBJ_${first.name}`);
    for (const operation of operations(store)) await expect(operation()).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
    await manager.streams.add({ name: `OBJ_${first.name}`, subjects: [`$O.${first.name}.>`], allow_rollup_hdrs: true });
    await putBytes(store, 'k', patternBytes(10));
    await first.remove();
  });

  test('a right that is missing is named, with the operation that wanted it', async () => {
    await server.start(
      'authorization { users: [ { user: a, password: secret-a }, { user: b, password: secret-b, permissions: { publish: { deny: ["$O.>", "$JS.API.STREAM.PURGE.>"] } } }, { user: c, password: secret-c, permissions: { subscribe: { deny: ["_INBOX.>"] } } }, { user: d, password: secret-d, permissions: { publish: { deny: ["$JS.API.CONSUMER.>"] } } } ] }',
    );
    const bucket = await testBucket({ servers: server.url, user: 'a', pass: 'secret-a' });
    await bucket.objects.putBlob({ name: 'there' }, patternBytes(500_000));
    const as = (user: string) => storeOf(bucket.name, { username: user, credentials: { password: `secret-${user}` } });
    const writer = as('b');
    expect(await listKeys(writer)).toEqual(['there']);
    for (const write of [() => putBytes(writer, 'k', patternBytes(10)), () => putBytes(writer, 'k', patternBytes(2_000_000))])
      await expect(write()).rejects.toMatchObject({
        code: 'ACCESS_DENIED',
        hint: expect.stringContaining(`publish to "$O.${bucket.name}.C.`),
      });
    await expect(writer.delete(['there', 'missing'])).rejects.toMatchObject({ code: 'ACCESS_DENIED', details: { failed: ['there'] } });
    for (const operation of operations(as('c')).slice(0, 3))
      await expect(operation()).rejects.toMatchObject({ code: 'ACCESS_DENIED', hint: expect.stringContaining('subscribe to "_INBOX.') });
    const reader = as('d');
    await expect(listKeys(reader)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining('$JS.API.CONSUMER.CREATE'),
    });
    await expect(getBytes(reader, 'there')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await bucket.remove();
  });

  test('the rights that the documentation lists are enough, for a restore those for reading', async () => {
    const documented = await readFile(new URL('../../../docs/destinations.md', import.meta.url), 'utf8');
    const subjects = [
      ...new Set([...documented.matchAll(/`(\$(?:O|JS\.API)\.[^`]*)`/g)].map(([, subject = '']) => subject.replace('BUCKET', 'backups'))),
    ];
    expect(subjects).toHaveLength(7);
    const user = (name: string, allowed: readonly string[]) =>
      `{ user: ${name}, password: secret-${name}, permissions: { publish: ${JSON.stringify(allowed)}, subscribe: "_INBOX.>" } }`;
    const reading = subjects.filter((subject) => !/^\$O|PURGE/.test(subject));
    await server.start(`authorization { users: [ { user: a, password: secret-a }, ${user('w', subjects)}, ${user('r', reading)} ] }`);
    const bucket = await testBucket(
      { servers: server.url, user: 'a', pass: 'secret-a' },
      { name: 'OBJ_backups', subjects: ['$O.backups.>'] },
    );
    const as = (name: string) => storeOf('backups', { username: name, credentials: { password: `secret-${name}` } });
    const [writer, reader] = [as('w'), as('r')];
    for (const key of ['k', 'k', 'l']) await putBytes(writer, key, patternBytes(600_000));
    expect(await honoursConditions(writer, 'probe')).toBe(true);
    expect(await listKeys(reader)).toEqual(['k', 'l']);
    expect(Buffer.compare(await getBytes(reader, 'k', { offset: 200_000 }), patternBytes(600_000).subarray(200_000))).toBe(0);
    await writer.delete(['k', 'l']);
    await writer.close();
    const manager = await bucket.connection.jetstreamManager();
    const { state } = await manager.streams.info('OBJ_backups', { subjects_filter: '>' });
    expect(state).toMatchObject({ messages: 0, consumer_count: 0 });
    await manager.streams.delete('OBJ_backups');
    await bucket.remove();
  });

  test('a bucket that is full says so, keeps what it has, and takes more when there is room', async () => {
    await server.start();
    const bucket = await testBucket({ servers: server.url }, { max_bytes: 3_000_000 });
    const store = storeOf(bucket.name);
    await putBytes(store, 'a', patternBytes(2_000_000));
    for (const size of [2_000_000, 1_100_000])
      await expect(putBytes(store, 'b', patternBytes(size))).rejects.toMatchObject({
        code: 'STORAGE_FULL',
        hint: expect.stringContaining(bucket.name),
      });
    expect(await listKeys(store)).toEqual(['a']);
    await store.delete(['a']);
    await expect.poll(async () => Object.keys(await bucket.subjects())).toEqual([]);
    await putBytes(store, 'b', patternBytes(2_000_000, 2));
    expect(Buffer.compare(await getBytes(store, 'b'), patternBytes(2_000_000, 2))).toBe(0);
    await bucket.remove();
  });

  test('a refusal ends a write whose source is still waiting for something', async () => {
    await server.start();
    const bucket = await testBucket({ servers: server.url }, { max_bytes: 100_000 });
    const store = storeOf(bucket.name);
    await expect(
      store.put(
        'k',
        hangingBody(patternBytes(300_000), () => {}),
      ),
    ).rejects.toMatchObject({ code: 'STORAGE_FULL' });
    await bucket.remove();
  });

  test('JetStream that is not there is said to be so', async () => {
    await server.start(
      'accounts: { NONE: { users: [ { user: none, password: secret-n } ] }, JS: { jetstream: enabled, users: [ { user: js, password: secret-j } ] } }',
    );
    const store = storeOf('backups', { username: 'none', credentials: { password: 'secret-n' } });
    await expect(store.stat('k')).rejects.toMatchObject({ hint: expect.stringMatching(/JetStream/) });
  });

  test('chunks are no larger than what the server takes', async () => {
    await server.start('max_payload: 20000');
    const bucket = await testBucket({ servers: server.url });
    const store = storeOf(bucket.name);
    await putBytes(store, 'k', patternBytes(100_001));
    expect((await bucket.objects.info('k'))?.chunks).toBe(6);
    expect(Buffer.compare(await getBytes(store, 'k', { offset: 33_333 }), patternBytes(100_001).subarray(33_333))).toBe(0);
    await bucket.remove();
  });

  describe('a bucket that endangers backups', () => {
    test.each<[string, Partial<StreamConfig>, RegExp | undefined]>([
      ['nothing', {}, undefined],
      ['a maximum age', { max_age: 86_400e9 }, /after 86400 s/],
      ['memory', { storage: 'memory' as StreamConfig['storage'] }, /in memory/],
      ['discarding what is old', { discard: 'old' as StreamConfig['discard'], max_bytes: 1_000_000 }, /drops the oldest/],
    ])('by %s is warned of', async (_, settings, warning) => {
      await server.start();
      const bucket = await testBucket({ servers: server.url }, settings);
      const found = await storeOf(bucket.name).concerns();
      expect(found).toEqual(warning === undefined ? [] : [expect.stringMatching(warning)]);
      await bucket.remove();
    });
  });

  test('two databases in one bucket never touch each other, and an empty path writes the names of the original', async () => {
    await server.start();
    const bucket = await testBucket({ servers: server.url });
    const [plain, a, b] = ['', 'a', 'a/b'].map((path) => ({ path, store: storeOf(bucket.name, { path }) }));
    if (plain === undefined || a === undefined || b === undefined) throw new Error('three stores');
    const key = (path: string, name: string) => (path === '' ? name : `${path}/${name}`);
    for (const [i, { path, store }] of [plain, a, b].entries())
      await putBytes(store, key(path, 'ltx/0/1.ltx'), patternBytes(200_000, i + 1));
    expect((await bucket.objects.list()).map(({ name }) => name).sort()).toEqual(['a/b/ltx/0/1.ltx', 'a/ltx/0/1.ltx', 'ltx/0/1.ltx']);
    expect(await listKeys(a.store, 'a/ltx/')).toEqual(['a/ltx/0/1.ltx']);
    expect(await listKeys(plain.store, 'ltx/')).toEqual(['ltx/0/1.ltx']);
    await a.store.delete(['a/ltx/0/1.ltx']);
    expect(Buffer.compare(await getBytes(plain.store, 'ltx/0/1.ltx'), patternBytes(200_000, 1))).toBe(0);
    expect(Buffer.compare(await getBytes(b.store, 'a/b/ltx/0/1.ltx'), patternBytes(200_000, 3))).toBe(0);
    await bucket.remove();
  });
});
