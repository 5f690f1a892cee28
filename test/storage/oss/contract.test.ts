import { beforeAll } from 'vitest';
import { OSSStore } from '../../../src/storage/oss/oss.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { objectStoreContract } from '../contract/object-store-contract.ts';
import { newBucket } from './bucket.ts';

const CAPABILITIES = new OSSStore({ type: 'oss', bucket: 'bucket', path: '' }).capabilities;

describeWith('oss', 'against the fake of this repository', () => {
  let server: ServiceAddresses['oss'];
  beforeAll(async () => {
    server = await service('oss');
  }, SERVICE_START_MS);

  objectStoreContract({
    name: 'oss',
    capabilities: CAPABILITIES,
    oddKeys: true,
    create: async () => {
      const store = new OSSStore(await newBucket(server));
      return { store, dispose: () => store.close() };
    },
  });
});
