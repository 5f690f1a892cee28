/** A bucket of its own for a file of tests, at the real server. */

import type { StoreCapabilities } from '../../../src/storage/object-store.ts';
import { S3Store } from '../../../src/storage/s3/store.ts';
import type { S3StoreSpec } from '../../../src/storage/spec.ts';
import { type ServiceAddresses, service } from '../../support/services.ts';
import { makeContainer } from '../containers.ts';

export const S3_CAPABILITIES: StoreCapabilities = {
  timestamps: 'stat',
  conditionalPut: true,
  conditionalReplace: true,
  rangeRead: true,
  atomicPut: true,
  maxDeleteBatch: 1000,
  needsSize: false,
};

export class TestBucket {
  readonly name: string;
  readonly address: ServiceAddresses['s3'];
  readonly #stores: S3Store[] = [];

  private constructor(name: string, address: ServiceAddresses['s3']) {
    this.name = name;
    this.address = address;
  }

  static async create(): Promise<TestBucket> {
    const address = await service('s3');
    return new TestBucket(await makeContainer.s3(), address);
  }

  spec(changes: Partial<S3StoreSpec> = {}): S3StoreSpec {
    const { endpoint, region, accessKeyID, secretAccessKey } = this.address;
    return { type: 's3', bucket: this.name, path: '', endpoint, region, credentials: { accessKeyID, secretAccessKey }, ...changes };
  }

  /** A store that `empty` closes. */
  store(changes: Partial<S3StoreSpec> = {}): S3Store {
    const store = new S3Store(this.spec(changes));
    this.#stores.push(store);
    return store;
  }

  /** Deletes everything in the bucket and closes the stores. */
  async empty(): Promise<void> {
    const store = this.store();
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    await store.delete(keys);
    for (const each of this.#stores.splice(0)) await each.close();
  }
}
