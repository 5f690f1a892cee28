/** Buckets in the Cloud Storage server of the tests. */

import { randomUUID } from 'node:crypto';
import type { GCSStoreSpec } from '../../../src/storage/spec.ts';
import { service } from '../../support/services.ts';

/** A new bucket, reached through the emulator's address. */
export async function makeBucket(): Promise<GCSStoreSpec> {
  const { endpoint, projectID } = await service('gcs');
  const bucket = `t-${randomUUID()}`;
  const answer = await fetch(`${endpoint}/storage/v1/b?project=${projectID}`, { method: 'POST', body: JSON.stringify({ name: bucket }) });
  if (!answer.ok) throw new Error(`no bucket: ${answer.status} ${await answer.text()}`);
  return { type: 'gs', bucket, path: '', endpoint, projectID };
}
