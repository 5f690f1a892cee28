/** Which bucket, region and endpoint the host of an `s3://` URL stands for (docs/configuration.md, URLs of replicas). */

import { isIP } from 'node:net';
import { LitestreamError } from '../../base/errors.ts';
import { hostOf, isLocalHost, portOf, withScheme } from '../hosts.ts';

export interface S3Place {
  readonly bucket: string;
  readonly region?: string;
  /** With scheme. */
  readonly endpoint?: string;
  readonly forcePathStyle?: boolean;
  /** The host is one of AWS itself: an endpoint that is set for all replicas is not meant. */
  readonly isAWS?: true;
}

interface Provider {
  readonly host: RegExp;
  /** Of the match: 1 the bucket, 2 what varies. */
  readonly place: (bucket: string, part: string) => Omit<S3Place, 'bucket'>;
}

const PROVIDERS: readonly Provider[] = [
  { host: /^(.+)\.s3\.amazonaws\.com$/i, place: () => ({ isAWS: true }) },
  { host: /^(.+)\.s3[.-]([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?$/i, place: (_, region) => ({ region, isAWS: true }) },
  {
    host: /^(.+)\.([a-z0-9-]+)\.digitaloceanspaces\.com$/i,
    place: (_, region) => ({ region, endpoint: `https://${region}.digitaloceanspaces.com`, forcePathStyle: false }),
  },
  {
    host: /^(.+)\.s3\.([a-z0-9-]+)\.backblazeb2\.com$/i,
    place: (_, region) => ({ region, endpoint: `https://s3.${region}.backblazeb2.com`, forcePathStyle: true }),
  },
  { host: /^(.+)\.s3\.filebase\.com$/i, place: () => ({ endpoint: 'https://s3.filebase.com', forcePathStyle: true }) },
  {
    host: /^(.+)\.s3\.([a-z0-9-]+)\.scw\.cloud$/i,
    place: (_, region) => ({ region, endpoint: `https://s3.${region}.scw.cloud`, forcePathStyle: false }),
  },
  {
    host: /^(.+)\.([a-z0-9-]+)\.your-objectstorage\.com$/i,
    place: (_, region) => ({ region, endpoint: `https://${region}.your-objectstorage.com`, forcePathStyle: false }),
  },
  {
    host: /^(.+?)\.([a-z0-9]+(?:\.(?:eu|fedramp))?\.r2\.cloudflarestorage\.com)$/i,
    place: (_, host) => ({ region: 'auto', endpoint: `https://${host}` }),
  },
  { host: /^(.+)\.(fly\.storage\.tigris\.dev|t3\.storage\.dev)$/i, place: (_, host) => ({ region: 'auto', endpoint: `https://${host}` }) },
  { host: /^(.+)\.(storage\.googleapis\.com)$/i, place: (_, host) => ({ endpoint: `https://${host}` }) },
];

/** Throws CONFIG_INVALID for a host that names no bucket. */
export function placeOf(host: string): S3Place {
  if (portOf(host) !== undefined) return ofServer(host);
  for (const { host: pattern, place } of PROVIDERS) {
    const [, bucket, part = ''] = pattern.exec(host) ?? [];
    if (bucket !== undefined) return { bucket, ...place(bucket, part) };
  }
  // Names of buckets may have dots.
  return { bucket: host };
}

/** `BUCKET.HOST:PORT`: a bucket's name has no port, so everything behind the first dot is a server. */
function ofServer(host: string): S3Place {
  const server = host.slice(host.indexOf('.') + 1);
  if (!host.includes('.') || isIP(hostOf(host)) !== 0 || Number.isNaN(portOf(host))) {
    throw new LitestreamError(
      'CONFIG_INVALID',
      `s3://${host} names a server and no bucket; write s3://BUCKET/PREFIX?endpoint=${withScheme(host)}`,
    );
  }
  const isSecure = !isLocalHost(hostOf(server)) && (portOf(server) === 443 || portOf(server) === 8443);
  return {
    bucket: host.slice(0, host.indexOf('.')),
    region: 'us-east-1',
    endpoint: `${isSecure ? 'https' : 'http'}://${server}`,
    forcePathStyle: true,
  };
}

const ARN = /^arn:(aws[a-z-]*):s3:([a-z0-9-]*):(\d*):accesspoint[/:]([^/:]+)(\/.*)?$/;

/** The parts of `arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/PREFIX`; undefined for anything else. */
export function accessPoint(text: string): { readonly bucket: string; readonly region: string; readonly path: string } | undefined {
  const [, partition, region = '', account, name, path = ''] = ARN.exec(text) ?? [];
  if (partition === undefined) return undefined;
  return { bucket: `arn:${partition}:s3:${region}:${account}:accesspoint/${name}`, region, path };
}
