/**
 * Checks the signature of version 4 of a request from what came over the wire, independently of the product's own signer: from the raw target
 * and the raw headers.
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export interface Account {
  readonly accessKeyID: string;
  readonly accessKeySecret: string;
  /** Demanded with every request when given. */
  readonly securityToken: string | undefined;
  readonly region: string;
}

export interface SignedRequest {
  readonly method: string;
  /** `/bucket/key` as it was signed: encoded, with the bucket even where it stands in the host name. */
  readonly resource: string;
  /** After the question mark, encoded. */
  readonly search: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** Why a request is refused: a code of OSS and its text. */
export type Verdict = undefined | readonly [code: string, message: string];

const LATEST_MS = 15 * 60_000;

export function verify(request: SignedRequest, account: Account, now: number): Verdict {
  const header = (name: string): string => String(request.headers[name] ?? '');
  const parts =
    /^OSS4-HMAC-SHA256 Credential=([^/,]+)\/(\d{8})\/([^/,]+)\/oss\/aliyun_v4_request,\s*(?:AdditionalHeaders=([^,]+),\s*)?Signature=([0-9a-f]{64})$/.exec(
      header('authorization'),
    );
  if (parts === null) return ['AccessDenied', 'The request has no authorization of version 4.'];
  const [, id, day = '', region = '', additional = '', signature = ''] = parts;
  if (id !== account.accessKeyID) return ['InvalidAccessKeyId', 'The OSS Access Key Id you provided does not exist in our records.'];
  if (region !== account.region) return ['InvalidArgument', `Invalid signing region in Authorization header: ${region}.`];
  const stamp = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(header('x-oss-date'))?.slice(1).map(Number);
  if (stamp === undefined || !header('x-oss-date').startsWith(day)) return ['InvalidArgument', 'x-oss-date is missing or of another day.'];
  const [year = 0, month = 0, date = 0, hour = 0, minute = 0, second = 0] = stamp;
  if (Math.abs(Date.UTC(year, month - 1, date, hour, minute, second) - now) > LATEST_MS)
    return ['RequestTimeTooSkewed', 'The difference between the request time and the current time is too large.'];
  if (header('x-oss-content-sha256') !== 'UNSIGNED-PAYLOAD') return ['InvalidArgument', 'x-oss-content-sha256 must be UNSIGNED-PAYLOAD.'];
  const expected = signatureOf(canonical(request, additional), { day, region, stamp: header('x-oss-date') }, account.accessKeySecret);
  if (!timingSafeEqual(Buffer.from(expected), Buffer.from(signature)))
    return ['SignatureDoesNotMatch', 'The request signature we calculated does not match the signature you provided.'];
  if (account.securityToken !== undefined && header('x-oss-security-token') !== account.securityToken)
    return ['InvalidSecurityToken', 'The security token you provided is invalid.'];
  return undefined;
}

function canonical({ method, resource, search, headers }: SignedRequest, additional: string): string {
  const extra = additional === '' ? [] : additional.split(';');
  const taken = Object.keys(headers).filter((name) => /^(?:content-type|content-md5|x-oss-.*)$/.test(name) || extra.includes(name));
  let text = `${method}\n${resource}\n${search.split('&').sort(byEncodedName).join('&')}\n`;
  for (const name of taken.sort()) text += `${name}:${String(headers[name]).trim()}\n`;
  return `${text}\n${additional}\nUNSIGNED-PAYLOAD`;
}

function byEncodedName(a: string, b: string): number {
  const [left = '', right = ''] = [a.split('=')[0], b.split('=')[0]];
  return left < right ? -1 : Number(left > right);
}

function signatureOf(request: string, { day, region, stamp }: Record<'day' | 'region' | 'stamp', string>, secret: string): string {
  const digest = createHash('sha256').update(request, 'utf8').digest('hex');
  let key = Buffer.from(`aliyun_v4${secret}`);
  for (const word of [day, region, 'oss', 'aliyun_v4_request']) key = createHmac('sha256', key).update(word).digest();
  const text = `OSS4-HMAC-SHA256\n${stamp}\n${day}/${region}/oss/aliyun_v4_request\n${digest}`;
  return createHmac('sha256', key).update(text).digest('hex');
}
