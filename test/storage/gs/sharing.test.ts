/** Replicas in one bucket, and large objects there. */

import { beforeAll, expect, test } from 'vitest';
import { GCSStore } from '../../../src/storage/gs/gs.ts';
import { describeWith, SERVICE_START_MS, service } from '../../support/services.ts';
import { conditionsHoldForParts, largeObjectPasses } from '../large-object.ts';
import { neighboursStayApart } from '../neighbours.ts';
import { makeBucket } from './bucket.ts';

describeWith('gcs', 'in a bucket', () => {
  beforeAll(async () => {
    await service('gcs');
  }, SERVICE_START_MS);

  test('databases whose paths begin alike never touch each other', async () => {
    const spec = await makeBucket();
    const keys = await neighboursStayApart((path) => ({ ...spec, path }), new GCSStore(spec));
    expect(keys).toContain('a/ltx/0/0000000000000001-0000000000000001.ltx');
  });

  test('64 MiB pass with two chunks in memory', { timeout: 240_000 }, async () => {
    const store = new GCSStore(await makeBucket());
    await largeObjectPasses(store, 40 * 1024 * 1024);
    await store.close();
  });

  test('objects in parts are written under their condition or not at all', async () => {
    const store = new GCSStore(await makeBucket());
    await conditionsHoldForParts(store);
    await store.close();
  });
});
