/** The contract of object stores, against the repository's own server of the Cloud Storage protocol. */

import { beforeAll } from 'vitest';
import { GCSStore } from '../../../src/storage/gs/gs.ts';
import { describeWith, SERVICE_START_MS, service } from '../../support/services.ts';
import { objectStoreContract } from '../contract/object-store-contract.ts';
import { makeBucket } from './bucket.ts';

describeWith('gcs', 'gcs', () => {
  beforeAll(async () => {
    await service('gcs');
  }, SERVICE_START_MS);

  objectStoreContract({
    name: 'gs',
    rootedKeys: true,
    capabilities: new GCSStore({ type: 'gs', bucket: 'any', path: '' }).capabilities,
    create: async () => {
      const store = new GCSStore(await makeBucket());
      return { store, dispose: () => store.close() };
    },
  });
});
