/** A bucket of its own for a test, in the fake of this repository. */

import { randomBytes } from 'node:crypto';
import { OSSClient } from '../../../src/storage/oss/client.ts';
import type { OSSStoreSpec } from '../../../src/storage/spec.ts';
import type { ServiceAddresses } from '../../support/services.ts';

/** A spec of a new, empty bucket. */
export async function newBucket(server: ServiceAddresses['oss'], settings: Partial<OSSStoreSpec> = {}): Promise<OSSStoreSpec> {
  const { endpoint, region, accessKeyID, accessKeySecret } = server;
  const bucket = `test-${randomBytes(6).toString('hex')}`;
  const spec: OSSStoreSpec = {
    type: 'oss',
    bucket,
    path: '',
    endpoint,
    region,
    credentials: { accessKeyID, accessKeySecret },
    ...settings,
  };
  const client = new OSSClient(spec);
  await client.finish({ operation: 'write', method: 'PUT' });
  client.close();
  return spec;
}

/** Uploads that were begun and neither completed nor aborted, as text. */
export async function openUploads(spec: OSSStoreSpec): Promise<string[]> {
  const client = new OSSClient(spec);
  const text = await client.text({ operation: 'list', method: 'GET', query: { uploads: '' } });
  client.close();
  return [...text.matchAll(/<Upload><Key>(.*?)<\/Key>/g)].map(([, key = '']) => key);
}
