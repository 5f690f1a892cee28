/** Replicas in one Azure container, and large objects there. */

import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { AzureStore } from '../../../src/storage/abs/abs.ts';
import { describeWith, SERVICE_START_MS, service } from '../../support/services.ts';
import { conditionsHoldForParts, largeObjectPasses } from '../large-object.ts';
import { neighboursStayApart } from '../neighbours.ts';
import { makeContainer, type TestContainer } from './container.ts';

describeWith('azure', 'in a container', () => {
  let container: TestContainer;
  beforeAll(async () => {
    await service('azure');
  }, SERVICE_START_MS);
  beforeEach(async () => {
    container = await makeContainer();
  });
  afterEach(() => container.remove());

  test('databases whose paths begin alike never touch each other', async () => {
    const keys = await neighboursStayApart((path) => ({ ...container.spec, path }), new AzureStore(container.spec));
    expect(keys).toContain('a/ltx/0/0000000000000001-0000000000000001.ltx');
  });

  test('64 MiB pass with a few blocks in memory', { timeout: 240_000 }, async () => {
    const store = new AzureStore(container.spec);
    await largeObjectPasses(store, 40 * 1024 * 1024);
    await store.close();
  });

  test('objects in parts are written under their condition or not at all', async () => {
    const store = new AzureStore(container.spec);
    await conditionsHoldForParts(store);
    await store.close();
  });
});
