/** Where a bucket is reached, and for which region requests to it are signed. */

import { isIP } from 'node:net';
import { LitestreamError } from '../../base/errors.ts';
import type { OSSStoreSpec } from '../spec.ts';
import { encodePath } from './sign.ts';

const DEFAULT_REGION = 'cn-hangzhou';
const INTERNAL = '-internal';

export interface Endpoint {
  readonly secure: boolean;
  /** Name or address to connect to. */
  readonly host: string;
  readonly port: number | undefined;
  /** The Host header. */
  readonly authority: string;
  /** Before the encoded key. */
  readonly pathPrefix: string;
  /** Without `-internal`, which names a way and not a place. */
  readonly region: string;
}

/** The bucket stands in the host name, as OSS wants it, except where the host has no name of its own: addresses and localhost. */
export function endpointOf(spec: OSSStoreSpec): Endpoint {
  if (!/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(spec.bucket)) {
    throw new LitestreamError('CONFIG_INVALID', `${JSON.stringify(spec.bucket)} cannot be the name of an OSS bucket`, {
      hint: 'Names of buckets have 3 to 63 lower-case letters, digits and hyphens.',
    });
  }
  const url = parse(spec);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const named = isIP(host) === 0 && host !== 'localhost';
  const bucketHost = !named ? host : host.startsWith(`${spec.bucket}.`) ? host : `${spec.bucket}.${host}`;
  const port = url.port === '' ? undefined : Number(url.port);
  const shown = isIP(bucketHost) === 6 ? `[${bucketHost}]` : bucketHost;
  return {
    secure: url.protocol === 'https:',
    host: bucketHost,
    port,
    authority: port === undefined ? shown : `${shown}:${port}`,
    pathPrefix: named ? '/' : `/${encodePath(spec.bucket)}/`,
    region: regionOf(spec, host),
  };
}

function parse({ endpoint, region = DEFAULT_REGION }: OSSStoreSpec): URL {
  const text = endpoint ?? `oss-${region}.aliyuncs.com`;
  const url = URL.parse(text.includes('://') ? text : `https://${text}`);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.pathname.length > 1 || url.search !== '') {
    throw new LitestreamError('CONFIG_INVALID', `${JSON.stringify(text)} is not an endpoint of OSS`, {
      hint: 'Write it like https://oss-cn-hangzhou.aliyuncs.com, without a path.',
    });
  }
  return url;
}

function regionOf({ region }: OSSStoreSpec, host: string): string {
  const named = region ?? /(?:^|\.)oss-([a-z0-9-]+)\.aliyuncs\.com$/.exec(host)?.[1] ?? DEFAULT_REGION;
  return named.endsWith(INTERNAL) ? named.slice(0, -INTERNAL.length) : named;
}
