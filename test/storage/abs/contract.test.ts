/** The contract of object stores, against a real server of the Azure protocol. */

import { beforeAll } from 'vitest';
import { AzureStore } from '../../../src/storage/abs/abs.ts';
import { describeWith, SERVICE_START_MS, service } from '../../support/services.ts';
import { objectStoreContract } from '../contract/object-store-contract.ts';
import { makeContainer } from './container.ts';

describeWith('azure', 'azure', () => {
  beforeAll(async () => {
    await service('azure');
  }, SERVICE_START_MS);

  objectStoreContract({
    name: 'abs',
    rootedKeys: true,
    capabilities: new AzureStore({ type: 'abs', bucket: 'any', path: '' }).capabilities,
    create: async () => {
      const container = await makeContainer();
      const store = new AzureStore(container.spec);
      const dispose = async () => {
        await store.close();
        await container.remove();
      };
      return { store, dispose };
    },
  });
});
