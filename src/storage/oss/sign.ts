/** Signatures of version 4 for requests to OSS (https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4). */

import { createHash, createHmac } from 'node:crypto';

const ALGORITHM = 'OSS4-HMAC-SHA256';
const TERMINATOR = 'aliyun_v4_request';
/** The body is not part of the signature; Content-MD5, which is, holds it. */
const UNSIGNED = 'UNSIGNED-PAYLOAD';

export interface Credentials {
  readonly accessKeyID: string;
  readonly accessKeySecret: string;
  readonly securityToken?: string | undefined;
}

export interface SignableRequest {
  readonly method: string;
  readonly bucket: string;
  /** Not encoded; undefined for the bucket itself. */
  readonly key?: string | undefined;
  /** Not encoded; an empty value stands for a name alone. */
  readonly query: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface SigningContext {
  readonly credentials: Credentials;
  readonly region: string;
  /** ms since the epoch, by the clock of the service. */
  readonly now: number;
}

/** The headers of the request with those that sign it. */
export function signedHeaders(request: SignableRequest, { credentials, region, now }: SigningContext): Record<string, string> {
  const time = `${new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`;
  const date = time.slice(0, 8);
  const headers: Record<string, string> = { ...request.headers, 'x-oss-content-sha256': UNSIGNED, 'x-oss-date': time };
  if (credentials.securityToken !== undefined) headers['x-oss-security-token'] = credentials.securityToken;
  const scope = `${date}/${region}/oss/${TERMINATOR}`;
  const canonical = canonicalRequest({ ...request, headers });
  const toSign = [ALGORITHM, time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n');
  const signature = hmac(signingKey(credentials.accessKeySecret, date, region), toSign).toString('hex');
  return { ...headers, authorization: `${ALGORITHM} Credential=${credentials.accessKeyID}/${scope},Signature=${signature}` };
}

function canonicalRequest({ method, bucket, key, query, headers }: SignableRequest): string {
  const signed = Object.entries(headers).filter(([name]) => name.startsWith('x-oss-') || name === 'content-type' || name === 'content-md5');
  const lines = signed.sort(byName).map(([name, value]) => `${name}:${value.trim()}\n`);
  return [method, encodePath(`/${bucket}/${key ?? ''}`), queryText(query), lines.join(''), '', UNSIGNED].join('\n');
}

/** Name and value encoded, sorted by the encoded name, as it is signed and as it is sent. */
export function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query)
    .map(([name, value]): [string, string] => [encode(name), encode(value)])
    .sort(byName)
    .map(([name, value]) => (value === '' ? name : `${name}=${value}`))
    .join('&');
}

/** Every byte but unreserved letters and `/`. */
export const encodePath = (path: string): string => path.split('/').map(encode).join('/');

const encode = (text: string): string =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);

const byName = ([a]: readonly [string, string], [b]: readonly [string, string]): number => (a < b ? -1 : a > b ? 1 : 0);

const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

const signingKey = (secret: string, date: string, region: string): Buffer =>
  [date, region, 'oss', TERMINATOR].reduce<string | Buffer>((key, part) => hmac(key, part), `aliyun_v4${secret}`) as Buffer;
