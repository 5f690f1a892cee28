/** Buckets in the Cloud Storage server of the tests. */

import type { GCSStoreSpec } from '../../../src/storage/spec.ts';
import { service } from '../../support/services.ts';
import { makeContainer } from '../containers.ts';

/** A new bucket, reached through the emulator's address. */
export async function makeBucket(): Promise<GCSStoreSpec> {
  const { endpoint, projectID } = await service('gcs');
  const bucket = await makeContainer.gcs();
  return { type: 'gs', bucket, path: '', endpoint, projectID };
}
