import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { NATSStore } from '../../../src/storage/nats/nats.ts';
import { LiveBuffers } from '../../support/live-memory.ts';
import { describeWith, SERVICE_START_MS, service } from '../../support/services.ts';
import { largeObjectPasses } from '../large-object.ts';
import { type TestBucket, testBucket } from './buckets.ts';

describeWith('nats', 'an object of 64 MiB in NATS', () => {
  let bucket: TestBucket;
  let store: NATSStore;
  beforeEach(async () => {
    const { url } = await service('nats');
    bucket = await testBucket({ servers: url });
    store = new NATSStore({ type: 'nats', servers: [url], bucket: bucket.name, path: '' });
  }, SERVICE_START_MS);
  afterEach(async () => {
    await store.close();
    await bucket.remove();
  });

  test('passes both ways in a few MiB of memory', { timeout: 240_000 }, async () => {
    await largeObjectPasses(store, 24 * 1024 * 1024);
    await store.close();
    expect(await bucket.subjects()).toEqual({});
  });

  test('waits on the server for a reader who takes his time', { timeout: 240_000 }, async () => {
    await store.put('large', {
      open: async function* () {
        for (let i = 0; i < 64; i++) yield Buffer.alloc(1024 * 1024, i);
      },
    });
    const memory = new LiveBuffers();
    const opened = await store.open('large');
    let taken = 0;
    for await (const bytes of opened.body) {
      taken += bytes.byteLength;
      if (taken !== 4 * 1024 * 1024) continue;
      // Long enough for all of it to arrive, if it came unasked.
      await setTimeout(1_000);
      memory.look();
    }
    expect(taken).toBe(64 * 1024 * 1024);
    expect(memory.most).toBeLessThan(24 * 1024 * 1024);
  });
});
