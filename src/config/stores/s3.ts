/** S3 and everything that speaks its protocol. */

import type { S3StoreSpec } from '../../storage/spec.ts';
import type { SectionSpec } from '../schema.ts';
import type { Values } from '../section.ts';
import { readEndpoint } from './endpoint.ts';
import { credentialsOf, masked, withoutUnset } from './fields.ts';
import { readKeyPair } from './key-pair.ts';
import { defineStore, type StoreContext, variable } from './kind.ts';
import { MIN_PART_BYTES, partBudget, readPartSize } from './parts.ts';
import { cleanURLPath } from './prefix.ts';
import { readEncryption } from './s3-encryption.ts';
import { accessPoint, placeOf } from './s3-hosts.ts';
import { describeTransport, TRANSPORT_KEYS, transportOf } from './transport.ts';

const KEYS = {
  bucket: {
    kind: 'string',
    address: 'exclusive',
    env: ['LITESTREAM_REPLICA_BUCKET'],
    doc: 'The bucket, the ARN of an access point, or a whole `s3://` URL.',
  },
  path: { kind: 'string', address: 'exclusive', dated: true, doc: 'Prefix of the keys, as it is written.' },
  region: {
    kind: 'string',
    url: true,
    env: ['LITESTREAM_REPLICA_REGION'],
    doc: 'Region of the bucket; by default AWS_REGION, then what the bucket says. With an endpoint `us-east-1`.',
  },
  endpoint: {
    kind: 'string',
    url: true,
    address: 'default',
    env: ['LITESTREAM_REPLICA_ENDPOINT', 'LITESTREAM_S3_ENDPOINT', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'],
    doc: 'A service other than AWS; without a scheme `https`, for local hosts `http`.',
  },
  'access-key-id': {
    kind: 'string',
    secret: true,
    doc: 'Together with secret-access-key; without them AWS_ACCESS_KEY_ID and what else the AWS SDK knows.',
  },
  'secret-access-key': { kind: 'string', secret: true, doc: 'The other half.' },
  'session-token': { kind: 'string', secret: true, doc: 'Of temporary credentials.' },
  profile: { kind: 'string', url: true, doc: 'Profile of the shared AWS files.' },
  'force-path-style': {
    kind: 'bool',
    url: true,
    doc: 'The bucket in the path instead of the host; by default with an endpoint, as the provider wants it.',
  },
  'skip-verify': { kind: 'bool', url: true, default: 'false', doc: 'Certificates are not checked.' },
  'sign-payload': { kind: 'bool', url: true, default: 'true', doc: 'Bodies are part of the signature.' },
  'require-content-md5': { kind: 'bool', url: true, default: 'true', doc: 'Batch deletes carry an MD5 sum; by default not with Tigris.' },
  'storage-class': { kind: 'string', url: true, doc: 'Storage class of new objects; archive classes cannot be restored from.' },
  'part-size': {
    kind: 'bytes',
    url: true,
    default: '5MiB',
    doc: 'Size of the parts of large files, at least 5MiB. `5MB` is 5,000,000 and too small.',
  },
  concurrency: { kind: 'int', url: true, default: '5', doc: 'Parts in flight; 2 with Cloudflare R2.' },
  'server-side-encryption': {
    kind: 'string',
    url: true,
    words: ['auto', 'AES256', 'none'],
    default: 'auto',
    doc: 'SSE-S3: `auto` asks for it where the provider takes it.',
  },
  'sse-kms-key-id': { kind: 'string', url: true, doc: 'SSE-KMS: id, ARN or alias of the key.' },
  'sse-customer-algorithm': { kind: 'string', url: true, words: ['AES256'], default: 'AES256', doc: 'SSE-C.' },
  'sse-customer-key': {
    kind: 'string',
    url: true,
    secret: true,
    doc: 'SSE-C: the key, 32 bytes in base64. Without it nothing can be read.',
  },
  'sse-customer-key-path': { kind: 'path', url: true, doc: 'File that holds it; wins over the key itself.' },
  ...TRANSPORT_KEYS,
} as const satisfies SectionSpec;

type S3Values = Values<typeof KEYS>;

export const S3 = defineStore<typeof KEYS, S3StoreSpec>({
  type: 's3',
  schemes: ['s3'],
  keys: KEYS,
  partsOf({ host, path }) {
    const point = accessPoint(`${host}${path}`);
    if (point !== undefined) return { bucket: point.bucket, region: point.region, path: point.path === '' ? '' : cleanURLPath(point.path) };
    const { bucket, isAWS, ...place } = placeOf(host);
    return {
      bucket,
      // As in the original: a URL without any path stands for keys that begin with `./`.
      path: cleanURLPath(path),
      ...(place.region === undefined ? {} : { region: place.region }),
      ...(isAWS === undefined ? {} : { endpoint: '' }),
      ...(place.endpoint === undefined ? {} : { endpoint: place.endpoint }),
      ...(place.forcePathStyle === undefined ? {} : { 'force-path-style': place.forcePathStyle }),
    };
  },
  resolve(values, context) {
    const bucket = readBucket(values, context);
    if (bucket === undefined) return undefined;
    const endpoint = readEndpoint(values.endpoint, context);
    const { findings } = context;
    const storageClass = values['storage-class'];
    if (storageClass !== undefined && /^(?:GLACIER|DEEP_ARCHIVE)$/i.test(storageClass.value))
      findings.warning(storageClass.at, 'objects of an archive class cannot be restored from until they are brought back');
    if (values['skip-verify']?.value === true)
      findings.warning(values['skip-verify'].at, 'certificates are not checked: whoever is on the way can pose as the service');
    const encryption = readEncryption(values, endpoint, context);
    const partSize = readPartSize(values['part-size'], MIN_PART_BYTES, context);
    const keys = readKeyPair(values, context, AWS);
    const { sseCustomerKey, ...publicEncryption } = encryption;
    return {
      type: 's3',
      bucket,
      path: values.path?.value ?? '',
      ...withoutUnset({
        region: regionOf(values, bucket, endpoint, context),
        endpoint,
        forcePathStyle: pathStyle(values, bucket, context),
        skipVerify: values['skip-verify']?.value,
        signPayload: values['sign-payload']?.value,
        requireContentMD5: values['require-content-md5']?.value,
        storageClass: storageClass?.value,
        partSize,
        concurrency: partBudget(values.concurrency, partSize, /r2\.cloudflarestorage\.com/i.test(endpoint ?? '') ? 2 : 5, context),
        // Of a pair of its own no profile is asked.
        profile: keys.accessKeyID === undefined ? values.profile?.value : undefined,
        ...publicEncryption,
      }),
      ...credentialsOf({ ...keys, sseCustomerKey }),
      ...transportOf(values),
    };
  },
  describe: (spec) => [
    ['bucket', spec.bucket],
    ['path', spec.path],
    ['region', spec.region],
    ['endpoint', spec.endpoint],
    ['access-key-id', masked(spec.credentials?.accessKeyID)],
    ['secret-access-key', masked(spec.credentials?.secretAccessKey)],
    ['session-token', masked(spec.credentials?.sessionToken)],
    ['profile', spec.profile],
    ['force-path-style', spec.forcePathStyle],
    ['skip-verify', spec.skipVerify],
    ['sign-payload', spec.signPayload],
    ['require-content-md5', spec.requireContentMD5],
    ['storage-class', spec.storageClass],
    ['part-size', spec.partSize],
    ['concurrency', spec.concurrency],
    ['server-side-encryption', spec.serverSideEncryption],
    ['sse-kms-key-id', spec.sseKmsKeyID],
    ['sse-customer-key', masked(spec.credentials?.sseCustomerKey)],
    ...describeTransport(spec),
  ],
});

const AWS = {
  id: ['AWS_ACCESS_KEY_ID', 'LITESTREAM_ACCESS_KEY_ID'],
  secret: ['AWS_SECRET_ACCESS_KEY', 'LITESTREAM_SECRET_ACCESS_KEY'],
  token: ['AWS_SESSION_TOKEN'],
} as const;

/** Where the SDK looks when nothing else is said. */
const REGION_VARIABLES = ['AWS_REGION', 'AWS_DEFAULT_REGION'] as const;

function readBucket({ bucket }: S3Values, { findings, at }: StoreContext): string | undefined {
  if (bucket === undefined || bucket.value === '') {
    findings.error(bucket?.at ?? at, 'an s3 replica needs a bucket: the key bucket, or a url such as s3://BUCKET/PREFIX');
    return undefined;
  }
  if (accessPoint(bucket.value) !== undefined) return bucket.value;
  if (/[\s/:]/.test(bucket.value)) {
    findings.error(bucket.at, 'this is not the name of a bucket; a prefix belongs under path');
    return undefined;
  }
  return bucket.value;
}

function regionOf(values: S3Values, bucket: string, endpoint: string | undefined, context: StoreContext): string | undefined {
  const point = accessPoint(bucket);
  // The part of its name wins: a request to another region is refused.
  if (point !== undefined && point.region !== '') return point.region;
  const region = values.region?.value;
  if (region !== undefined && region !== '') return region;
  if (endpoint !== undefined) return undefined;
  return variable(context, 'region', REGION_VARIABLES);
}

function pathStyle(values: S3Values, bucket: string, { findings }: StoreContext): boolean | undefined {
  const style = values['force-path-style'];
  if (style?.value === true && bucket.startsWith('arn:')) findings.error(style.at, 'an access point cannot be reached in path style');
  return style?.value;
}
