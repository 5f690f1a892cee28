/** Containers in the Azure server of the tests. */

import { randomUUID } from 'node:crypto';
import { BlobServiceClient } from '@azure/storage-blob';
import type { AzureStoreSpec } from '../../../src/storage/spec.ts';
import { service } from '../../support/services.ts';

export interface TestContainer {
  readonly name: string;
  /** Reaches it with the account's key. */
  readonly spec: AzureStoreSpec;
  remove(): Promise<void>;
}

export async function makeContainer(): Promise<TestContainer> {
  const { endpoint, accountName, accountKey, connectionString } = await service('azure');
  const name = `t-${randomUUID()}`;
  const client = BlobServiceClient.fromConnectionString(connectionString).getContainerClient(name);
  await client.create();
  return {
    name,
    spec: { type: 'abs', bucket: name, path: '', endpoint, accountName, credentials: { accountKey } },
    remove: async () => {
      await client.delete();
    },
  };
}
