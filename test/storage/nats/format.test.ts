import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { headers, type ObjectStoreMeta } from 'nats';
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { NATSStore } from '../../../src/storage/nats/nats.ts';
import { recordSubject } from '../../../src/storage/nats/object-info.ts';
import { randomFrom } from '../../support/random.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { chunkedBody, getBytes, listAll, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { type TestBucket, testBucket } from './buckets.ts';

const KEY = 'ltx/0/0000000000000001-0000000000000002.ltx';
const CHUNK = 128 * 1024;

describeWith('nats', 'objects in the format of all NATS clients', () => {
  let server: ServiceAddresses['nats'];
  let bucket: TestBucket;
  let store: NATSStore;
  beforeAll(async () => {
    server = await service('nats');
  }, SERVICE_START_MS);
  beforeEach(async () => {
    bucket = await testBucket({ servers: server.url });
    store = new NATSStore({ type: 'nats', servers: [server.url], bucket: bucket.name, path: '' });
  });
  afterEach(async () => {
    await store.close();
    await bucket.remove();
  });

  const streamOf = (bytes: Uint8Array, pieces: readonly number[]): ReadableStream<Uint8Array> =>
    new ReadableStream({
      start(controller) {
        for (let at = 0, i = 0; at < bytes.byteLength; at += pieces[i++ % pieces.length] ?? 1)
          controller.enqueue(bytes.subarray(at, at + (pieces[i % pieces.length] ?? 1)));
        controller.close();
      },
    });

  /** Publishes an object chunk by chunk as cut, as the Go client does that sends what each read gave it. */
  async function putIrregular(name: string, bytes: Uint8Array, sizes: readonly number[], between: () => Promise<unknown>): Promise<void> {
    const jetStream = bucket.connection.jetstream();
    let chunks = 0;
    for (let at = 0; at < bytes.byteLength; chunks++) {
      const size = sizes[chunks % sizes.length] ?? CHUNK;
      await jetStream.publish(`$O.${bucket.name}.C.IRREGULAR`, bytes.subarray(at, at + size));
      await between();
      at += size;
    }
    const digest = createHash('sha256').update(bytes).digest('base64').replaceAll('+', '-').replaceAll('/', '_');
    const record = {
      name,
      options: { max_chunk_size: CHUNK },
      bucket: bucket.name,
      nuid: 'IRREGULAR',
      size: bytes.byteLength,
      mtime: '0001-01-01T00:00:00Z',
      chunks,
      digest: `SHA-256=${digest}`,
    };
    const rollup = headers();
    rollup.set('Nats-Rollup', 'sub');
    await jetStream.publish(recordSubject(bucket.name, name), JSON.stringify(record), { headers: rollup });
  }

  test('are read by the library as they were written here', async () => {
    for (const size of [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 5 * CHUNK, 5 * CHUNK + 17]) {
      const bytes = patternBytes(size, size + 1);
      await store.put(KEY, chunkedBody(bytes, 7), { createdAt: 1_767_225_600_123 });
      const read = await bucket.objects.getBlob(KEY);
      if (size > 0) expect(Buffer.compare(read ?? Buffer.from('none'), bytes), `${size}`).toBe(0);
      const info = await bucket.objects.info(KEY);
      expect(info).toMatchObject({ name: KEY, bucket: bucket.name, size, chunks: Math.ceil(size / CHUNK), deleted: false });
      expect(info?.options).toEqual({ max_chunk_size: CHUNK });
      expect(info?.headers?.get('Litestream-Timestamp')).toBe('2026-01-01T00:00:00.123Z');
      expect(info?.digest).toBe(`SHA-256=${createHash('sha256').update(bytes).digest('base64').replaceAll('+', '-').replaceAll('/', '_')}`);
    }
  });

  test('are read here as the library wrote them, with their time', async () => {
    const meta = (): ObjectStoreMeta => {
      const made = headers();
      made.set('Litestream-Timestamp', '2026-01-01T00:00:00.123456789Z');
      return { name: KEY, headers: made };
    };
    for (const size of [1, CHUNK, 3 * CHUNK + 5]) {
      const bytes = patternBytes(size, size + 2);
      await bucket.objects.put(meta(), streamOf(bytes, [50_000]));
      expect(Buffer.compare(await getBytes(store, KEY), bytes)).toBe(0);
      expect(await listAll(store)).toEqual([{ key: KEY, size, createdAt: 1_767_225_600_123 }]);
    }
    await bucket.objects.putBlob({ name: 'no/time' }, patternBytes(3));
    const [, untimed] = await listAll(store);
    expect(untimed?.createdAt).toBeGreaterThan(Date.now() - 60_000);
    expect((await store.stat('no/time')).createdAt).toBe(untimed?.createdAt);
  });

  test('are overwritten and deleted by either, and nothing of what they replace is left', async () => {
    await putBytes(store, KEY, patternBytes(300_000));
    await bucket.objects.putBlob({ name: KEY }, patternBytes(400_000, 2));
    await putBytes(store, KEY, patternBytes(500_000, 3));
    expect(Buffer.compare((await bucket.objects.getBlob(KEY)) ?? Buffer.alloc(0), patternBytes(500_000, 3))).toBe(0);
    expect(Object.keys(await bucket.subjects())).toHaveLength(2);
    await bucket.objects.delete(KEY);
    expect(await listKeys(store)).toEqual([]);
    await expect(store.open(KEY)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await putBytes(store, KEY, patternBytes(10, 4));
    await store.delete([KEY]);
    expect(await bucket.objects.info(KEY)).toBeNull();
    expect(await bucket.subjects()).toEqual({});
  });

  test('are created where the library has deleted one', async () => {
    await bucket.objects.putBlob({ name: KEY }, patternBytes(10));
    await bucket.objects.delete(KEY);
    await store.put(KEY, chunkedBody(patternBytes(20, 2), 1), { ifAbsent: true });
    await expect(store.put(KEY, chunkedBody(patternBytes(20, 3), 1), { ifAbsent: true })).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
    expect(Buffer.compare((await bucket.objects.getBlob(KEY)) ?? Buffer.alloc(0), patternBytes(20, 2))).toBe(0);
  });

  test('of losers and of failed writers leave no chunks', async () => {
    const large = (seed: number) => chunkedBody(patternBytes(20 * CHUNK, seed), 20);
    const results = await Promise.allSettled([1, 2, 3, 4].map((seed) => store.put(KEY, large(seed), { ifAbsent: true })));
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const failing = {
      open: async function* () {
        yield patternBytes(10 * CHUNK);
        throw new Error('source');
      },
    };
    await expect(store.put('other', failing)).rejects.toThrow('source');
    await store.close();
    const subjects = await bucket.subjects();
    expect(Object.keys(subjects)).toHaveLength(2);
    expect(Object.values(subjects).sort((a, b) => a - b)).toEqual([1, 20]);
  });

  test('give their ranges exactly, whatever else stands between their chunks', { timeout: 240_000 }, async () => {
    const seed = 7;
    const random = randomFrom(seed);
    const bytes = patternBytes(40 * CHUNK + 4321, 9);
    const noise = () => Promise.all(Array.from({ length: Math.floor(random() * 12) }, () => putBytes(store, 'noise', patternBytes(10))));
    const body = {
      open: async function* () {
        for (let at = 0; at < bytes.byteLength; at += CHUNK) {
          yield bytes.subarray(at, at + CHUNK);
          await noise();
        }
      },
    };
    await store.put('even', body);
    await putIrregular('odd', bytes, [CHUNK, 1000, 70_000, 12], noise);
    await putIrregularTwin();
    // One that has written the objects and knows their shape, one that has to find out.
    const fresh = new NATSStore({ type: 'nats', servers: [server.url], bucket: bucket.name, path: '' });
    for (const reader of [store, fresh])
      for (const key of ['even', 'odd']) {
        expect(Buffer.compare(await getBytes(reader, key), bytes), key).toBe(0);
        for (let i = 0; i < 25; i++) {
          const offset = Math.floor(random() * bytes.byteLength);
          const length = 1 + Math.floor(random() * 3 * CHUNK);
          const expected = bytes.subarray(offset, offset + length);
          expect(
            Buffer.compare(await getBytes(reader, key, { offset, length }), expected),
            `seed ${seed}: ${key} ${offset} ${length}`,
          ).toBe(0);
        }
        const tail = bytes.byteLength - 32 * 1024;
        expect(Buffer.compare(await getBytes(reader, key, { offset: tail }), bytes.subarray(tail))).toBe(0);
      }
    await fresh.close();
  });

  /** As many chunks as even ones would be, but shifted: only the size of the last one tells. */
  async function putIrregularTwin(): Promise<void> {
    const bytes = patternBytes(3 * CHUNK - 100, 4);
    const jetStream = bucket.connection.jetstream();
    for (const [from, to] of [
      [0, CHUNK - 50],
      [CHUNK - 50, 2 * CHUNK - 50],
      [2 * CHUNK - 50, 3 * CHUNK - 100],
    ])
      await jetStream.publish(`$O.${bucket.name}.C.TWIN`, bytes.subarray(from, to));
    const record = {
      name: 'twin',
      options: { max_chunk_size: CHUNK },
      bucket: bucket.name,
      nuid: 'TWIN',
      size: bytes.byteLength,
      chunks: 3,
    };
    await jetStream.publish(recordSubject(bucket.name, 'twin'), JSON.stringify(record));
    const offset = CHUNK - 40;
    expect(Buffer.compare(await getBytes(store, 'twin', { offset, length: 20 }), bytes.subarray(offset, offset + 20))).toBe(0);
    expect(Buffer.compare(await getBytes(store, 'twin', { offset: CHUNK + 7 }), bytes.subarray(CHUNK + 7))).toBe(0);
  }

  test('do not travel whole for a range', async () => {
    await putBytes(store, 'large', patternBytes(80 * CHUNK));
    let received = 0;
    const counter = createServer((client) => {
      const upstream = connect(server.port, server.host).on('data', (data) => {
        received += data.length;
      });
      client.pipe(upstream).pipe(client);
      for (const socket of [client, upstream]) socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    await once(counter, 'listening');
    const { port } = counter.address() as AddressInfo;
    const counted = new NATSStore({ type: 'nats', servers: [`nats://127.0.0.1:${port}`], bucket: bucket.name, path: '' });
    const bytes = await getBytes(counted, 'large', { offset: 40 * CHUNK + 5, length: 100 });
    expect(Buffer.compare(bytes, patternBytes(80 * CHUNK).subarray(40 * CHUNK + 5, 40 * CHUNK + 105))).toBe(0);
    expect(received).toBeGreaterThan(CHUNK);
    expect(received).toBeLessThan(12 * CHUNK);
    const manager = await bucket.connection.jetstreamManager();
    await expect.poll(async () => (await manager.streams.info(`OBJ_${bucket.name}`)).state.consumer_count).toBe(0);
    await counted.close();
    counter.close();
  });

  test('whose bytes were changed are refused when they are read whole', async () => {
    const bytes = patternBytes(3 * CHUNK);
    await putIrregular('damaged', bytes, [CHUNK], async () => {});
    const jetStream = bucket.connection.jetstream();
    const manager = await bucket.connection.jetstreamManager();
    await manager.streams.purge(`OBJ_${bucket.name}`, { filter: `$O.${bucket.name}.C.IRREGULAR` });
    for (let at = 0; at < 3; at++) await jetStream.publish(`$O.${bucket.name}.C.IRREGULAR`, patternBytes(CHUNK, at + 50));
    await expect(getBytes(store, 'damaged')).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    await manager.streams.purge(`OBJ_${bucket.name}`, { filter: `$O.${bucket.name}.C.IRREGULAR`, keep: 1 });
    await expect(getBytes(store, 'damaged')).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
    await manager.streams.purge(`OBJ_${bucket.name}`, { filter: `$O.${bucket.name}.C.IRREGULAR` });
    for (const offset of [0, CHUNK + 1, 3 * CHUNK - 1])
      await expect(getBytes(store, 'damaged', { offset }), `${offset}`).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
  });

  test('are not taken from something else in the stream', async () => {
    await bucket.connection.jetstream().publish(recordSubject(bucket.name, 'junk'), '<html>');
    await expect(listKeys(store)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    await expect(store.stat('junk')).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
    expect(await listKeys(store, 'ltx/')).toEqual([]);
  });
});
