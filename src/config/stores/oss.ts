/** Alibaba Cloud OSS. */

import type { OSSStoreSpec } from '../../storage/spec.ts';
import type { SectionSpec } from '../schema.ts';
import { bucketName } from './bucket.ts';
import { readEndpoint } from './endpoint.ts';
import { credentialsOf, masked, withoutUnset } from './fields.ts';
import { readKeyPair } from './key-pair.ts';
import { defineStore } from './kind.ts';
import { MIN_OSS_PART_BYTES, partBudget, readPartSize } from './parts.ts';
import { cleanURLPath } from './prefix.ts';
import { describeTransport, TRANSPORT_KEYS, transportOf } from './transport.ts';

const KEYS = {
  bucket: { kind: 'string', address: 'exclusive', env: ['LITESTREAM_REPLICA_BUCKET'], doc: 'The bucket.' },
  path: { kind: 'string', address: 'exclusive', dated: true, doc: 'Prefix of the keys, as it is written.' },
  region: { kind: 'string', url: true, default: 'cn-hangzhou', doc: 'Region of the bucket.' },
  endpoint: { kind: 'string', url: true, address: 'default', doc: 'Another endpoint; by default the public one of the region.' },
  'access-key-id': {
    kind: 'string',
    secret: true,
    doc: 'Together with secret-access-key; else OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET.',
  },
  'secret-access-key': { kind: 'string', secret: true, doc: 'The other half.' },
  'session-token': { kind: 'string', secret: true, doc: 'Of temporary credentials; else OSS_SESSION_TOKEN.' },
  'part-size': { kind: 'bytes', url: true, doc: 'Size of the parts of large files, at least 100KiB.' },
  concurrency: { kind: 'int', url: true, default: '3', doc: 'Parts in flight.' },
  ...TRANSPORT_KEYS,
} as const satisfies SectionSpec;

const HOST = /^([^.]+)\.(oss-([a-z0-9-]+?)(-internal)?\.aliyuncs\.com)$/i;

const VARIABLES = { id: ['OSS_ACCESS_KEY_ID'], secret: ['OSS_ACCESS_KEY_SECRET'], token: ['OSS_SESSION_TOKEN'] } as const;

export const OSS = defineStore<typeof KEYS, OSSStoreSpec>({
  type: 'oss',
  schemes: ['oss'],
  keys: KEYS,
  partsOf({ host, path }) {
    const [, bucket = host, server, region, internal] = HOST.exec(host) ?? [];
    return {
      bucket,
      // As in the original: a URL without any path stands for keys that begin with `./`.
      path: cleanURLPath(path),
      ...(region === undefined ? {} : { region }),
      // The network inside of a region costs nothing; the original forgets that it was asked for.
      ...(server === undefined ? {} : { endpoint: internal === undefined ? '' : `https://${server.toLowerCase()}` }),
    };
  },
  resolve(values, context) {
    const bucket = bucketName('oss', 'bucket', values.bucket, context);
    if (bucket === undefined) return undefined;
    const endpoint = readEndpoint(values.endpoint, context);
    const { accessKeyID, secretAccessKey, sessionToken } = readKeyPair(values, context, VARIABLES);
    const partSize = readPartSize(values['part-size'], MIN_OSS_PART_BYTES, context);
    return {
      type: 'oss',
      bucket,
      path: values.path?.value ?? '',
      ...withoutUnset({
        region: values.region?.value,
        endpoint,
        partSize,
        concurrency: partBudget(values.concurrency, partSize, 3, context),
      }),
      ...credentialsOf({ accessKeyID, accessKeySecret: secretAccessKey, securityToken: sessionToken }),
      ...transportOf(values),
    };
  },
  describe: (spec) => [
    ['bucket', spec.bucket],
    ['path', spec.path],
    ['region', spec.region],
    ['endpoint', spec.endpoint],
    ['access-key-id', masked(spec.credentials?.accessKeyID)],
    ['secret-access-key', masked(spec.credentials?.accessKeySecret)],
    ['session-token', masked(spec.credentials?.securityToken)],
    ['part-size', spec.partSize],
    ['concurrency', spec.concurrency],
    ...describeTransport(spec),
  ],
});
