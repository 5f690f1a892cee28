/** The S3 store against a real server: what every object store promises. */

import { beforeAll } from 'vitest';
import { describeWith, SERVICE_START_MS } from '../../support/services.ts';
import { objectStoreContract } from '../contract/object-store-contract.ts';
import { S3_CAPABILITIES, TestBucket } from './bucket.ts';

describeWith('s3', 'S3 at a RADOS Gateway', () => {
  let bucket: TestBucket;
  beforeAll(async () => {
    bucket = await TestBucket.create();
  }, SERVICE_START_MS);

  objectStoreContract({
    name: 's3',
    oddKeys: true,
    capabilities: S3_CAPABILITIES,
    create: async () => ({ store: bucket.store(), dispose: () => bucket.empty() }),
  });
});
