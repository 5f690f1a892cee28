/** Google Cloud Storage. */

import type { GCSStoreSpec } from '../../storage/spec.ts';
import { absolutePath } from '../paths.ts';
import type { SectionSpec } from '../schema.ts';
import { bucketName } from './bucket.ts';
import { readEndpoint } from './endpoint.ts';
import { withoutUnset } from './fields.ts';
import { defineStore } from './kind.ts';
import { joinedPath, prefixOf } from './prefix.ts';
import { describeTransport, TRANSPORT_KEYS, transportOf } from './transport.ts';

const KEYS = {
  bucket: { kind: 'string', address: 'exclusive', env: ['LITESTREAM_REPLICA_BUCKET'], doc: 'The bucket.' },
  path: { kind: 'string', address: 'exclusive', dated: true, doc: 'Prefix in the bucket.' },
  endpoint: { kind: 'string', url: true, address: 'default', doc: 'Another endpoint, such as that of an emulator.' },
  'key-file': { kind: 'path', url: true, doc: 'Key file of a service account; without it the Application Default Credentials.' },
  project: { kind: 'string', url: true, doc: 'The project; by default that of the credentials.' },
  ...TRANSPORT_KEYS,
} as const satisfies SectionSpec;

export const GS = defineStore<typeof KEYS, GCSStoreSpec>({
  type: 'gs',
  aliases: ['gcs'],
  schemes: ['gs', 'gcs'],
  keys: KEYS,
  partsOf: ({ host, path }) => ({ bucket: host, path: prefixOf(path) }),
  resolve(values, context) {
    const bucket = bucketName('gs', 'bucket', values.bucket, context);
    if (bucket === undefined) return undefined;
    return {
      type: 'gs',
      bucket,
      path: joinedPath(values.path?.value ?? ''),
      ...withoutUnset({
        endpoint: readEndpoint(values.endpoint, context),
        projectID: values.project?.value,
        keyFile: values['key-file'] === undefined ? undefined : absolutePath(values['key-file'].value, context.env),
      }),
      ...transportOf(values),
    };
  },
  describe: (spec) => [
    ['bucket', spec.bucket],
    ['path', spec.path],
    ['endpoint', spec.endpoint],
    ['key-file', spec.keyFile],
    ['project', spec.projectID],
    ...describeTransport(spec),
  ],
});
