/** What OSS says when it refuses, in the words of the product (https://www.alibabacloud.com/help/en/oss/support/common-error-codes). */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import { clockSkewMs, retryAfterMs } from '../remote/answer-times.ts';
import { inAFewWords } from '../remote/foreign-answer.ts';
import { bareCause, networkFailure, systemCodeWithin } from '../remote/network-error.ts';
import { childText, parseXML } from './xml.ts';

export type Operation = 'list' | 'read' | 'write' | 'look at' | 'delete';

/** What was being done to what. */
export interface Attempt {
  readonly operation: Operation;
  readonly key?: string | undefined;
  readonly bucket: string;
  /** Host that was asked. */
  readonly host: string;
  readonly region: string;
}

/** An answer that is no success. */
export interface Refusal {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

/** What the service says of a refusal, as far as it says it. */
export interface Reason {
  readonly code: string | undefined;
  readonly message: string | undefined;
  readonly endpoint: string | undefined;
  readonly requestID: string | undefined;
}

type Row = readonly [ErrorCode, hint?: string];

const DENIED =
  'Allow oss:ListObjects on the bucket, and oss:GetObject, oss:PutObject, oss:AbortMultipartUpload and oss:DeleteObject on its objects.';
const KEYS = 'Check access-key-id and secret-access-key; temporary ones need their security token too.';
const ROOM = 'Raise the quota of the bucket or delete something; replication goes on by itself.';
const CHANGED = 'The bytes changed on their way: look for a proxy or a failing network card.';

const BY_CODE: Readonly<Record<string, Row>> = {
  NoSuchKey: ['OBJECT_NOT_FOUND', 'Another process may have removed it.'],
  NoSuchBucket: ['CONTAINER_NOT_FOUND', 'Make the bucket, or correct its name and its region.'],
  NoSuchUpload: ['STORAGE_UNAVAILABLE', 'The upload was ended from outside; it is begun anew.'],
  FileAlreadyExists: ['PRECONDITION_FAILED'],
  ObjectAlreadyExists: ['PRECONDITION_FAILED'],
  PreconditionFailed: ['PRECONDITION_FAILED'],
  AccessDenied: ['ACCESS_DENIED', DENIED],
  BucketNotBelongTo: ['ACCESS_DENIED', DENIED],
  UserDisable: ['ACCESS_DENIED', 'The account is disabled: ask the service.'],
  BucketDisable: ['ACCESS_DENIED', 'The bucket is disabled: ask the service.'],
  AbnormalBucketOwnerStatus: ['ACCESS_DENIED', 'The account of the owner is not in order: ask the service.'],
  InDebt: ['ACCESS_DENIED', 'The account owes money: pay, and replication goes on by itself.'],
  InDebtOverdue: ['ACCESS_DENIED', 'The account owes money: pay, and replication goes on by itself.'],
  FileImmutable: ['ACCESS_DENIED', 'A retention policy of the bucket protects the object.'],
  InvalidAccessKeyId: ['CREDENTIALS_INVALID', KEYS],
  SignatureDoesNotMatch: ['CREDENTIALS_INVALID', `${KEYS} A proxy that changes headers has the same effect.`],
  InvalidSecurityToken: ['CREDENTIALS_INVALID', KEYS],
  AccessKeyIdAndSecurityTokenNotMatch: ['CREDENTIALS_INVALID', KEYS],
  SecurityTokenNotSupported: ['CREDENTIALS_INVALID', KEYS],
  SecurityTokenExpired: ['CREDENTIALS_INVALID', 'The security token has expired: renew the credentials.'],
  RequestTimeTooSkewed: ['CREDENTIALS_INVALID', "This machine's clock and the service's differ: set the clock (NTP)."],
  InvalidObjectState: [
    'OBJECT_ARCHIVED',
    'Restore the object in the console of the service first, and keep replicas out of archive classes.',
  ],
  QpsLimitExceeded: ['STORAGE_THROTTLED'],
  TotalQpsLimitExceeded: ['STORAGE_THROTTLED'],
  ConnectionLimitExceeded: ['STORAGE_THROTTLED'],
  DownloadTrafficRateLimitExceeded: ['STORAGE_THROTTLED'],
  UploadTrafficRateLimitExceeded: ['STORAGE_THROTTLED'],
  RequestTimeout: ['STORAGE_UNAVAILABLE'],
  InternalError: ['STORAGE_UNAVAILABLE'],
  OperationAborted: ['STORAGE_UNAVAILABLE'],
  FilePartNotExist: ['STORAGE_UNAVAILABLE', 'The upload was ended from outside; it is begun anew.'],
  FilePartStale: ['STORAGE_UNAVAILABLE'],
  InvalidDigest: ['STORAGE_UNAVAILABLE', CHANGED],
  BadDigest: ['STORAGE_UNAVAILABLE', CHANGED],
  NotImplemented: ['NOT_SUPPORTED'],
  MethodNotAllowed: ['NOT_SUPPORTED'],
  EntityTooLarge: ['TOO_LARGE'],
  QuotaExceeded: ['STORAGE_FULL', ROOM],
  BucketStorageLimitExceeded: ['STORAGE_FULL', ROOM],
  InvalidBucketName: ['CONFIG_INVALID', 'Check the name of the bucket.'],
};

const BY_STATUS: Readonly<Record<number, Row>> = {
  401: ['CREDENTIALS_INVALID', KEYS],
  403: ['ACCESS_DENIED', DENIED],
  404: ['OBJECT_NOT_FOUND'],
  405: ['NOT_SUPPORTED'],
  408: ['STORAGE_UNAVAILABLE'],
  409: ['STORAGE_UNAVAILABLE'],
  412: ['PRECONDITION_FAILED'],
  429: ['STORAGE_THROTTLED'],
  501: ['NOT_SUPPORTED'],
  503: ['STORAGE_THROTTLED'],
  507: ['STORAGE_FULL', ROOM],
};

/** A HEAD has no body: its error stands in a header. */
export function reasonOf({ headers, body }: Refusal): Reason {
  const encoded = headers['x-oss-err'];
  const text = body === '' && encoded !== undefined ? Buffer.from(encoded, 'base64').toString('utf8') : body;
  const root = parseXML(text);
  const error = root?.name === 'Error' ? root : undefined;
  const child = (name: string): string | undefined => (error === undefined ? undefined : childText(error, name)?.trim() || undefined);
  return {
    code: child('Code'),
    message: child('Message'),
    endpoint: child('Endpoint'),
    requestID: headers['x-oss-request-id'] ?? child('RequestId'),
  };
}

export function refusalError(refusal: Refusal, attempt: Attempt): LitestreamError {
  const reason = reasonOf(refusal);
  if (reason.code === undefined && reason.requestID === undefined && !passes(refusal.status)) {
    return notOSS(attempt, `answered ${refusal.status} with ${inAFewWords(refusal.headers['content-type'], refusal.body)}`);
  }
  const [code, hint] = BY_CODE[reason.code ?? ''] ??
    BY_STATUS[refusal.status] ?? [refusal.status >= 500 ? 'STORAGE_UNAVAILABLE' : 'RESPONSE_INVALID'];
  const request = reason.requestID === undefined ? '' : ` (request ${reason.requestID})`;
  return new LitestreamError(code, `${sentence(attempt)}: ${saidIn(refusal, reason, attempt)}${request}`, {
    details: { ...detailsOf(attempt), ...factsOf(refusal, reason) },
    ...hintOf(reason, hint),
  });
}

/** The service's own words, or the first ones of whoever answered in its place. */
function saidIn({ status, headers, body }: Refusal, { code, message }: Reason, { host }: Attempt): string {
  if (code !== undefined) return message === undefined ? code : `${code}: ${message}`;
  return `${host} answered ${status} with ${inAFewWords(headers['content-type'], body)}`;
}

function factsOf({ status, headers }: Refusal, { code, requestID }: Reason): Record<string, unknown> {
  const retryMs = retryAfterMs(headers['retry-after']);
  const skewMs = code === 'RequestTimeTooSkewed' ? clockSkewMs(headers.date) : undefined;
  return {
    status,
    ...(code === undefined ? {} : { provider: code }),
    ...(requestID === undefined ? {} : { requestID }),
    ...(retryMs === undefined ? {} : { retryAfterMs: retryMs }),
    ...(skewMs === undefined ? {} : { clockSkewMs: skewMs }),
  };
}

/** OSS names the endpoint a bucket is really reached by. */
function hintOf({ endpoint }: Reason, hint: string | undefined): { readonly hint?: string } {
  if (endpoint !== undefined) return { hint: `The bucket is reached at ${endpoint}: set endpoint or region accordingly.` };
  return hint === undefined ? {} : { hint };
}

/** Statuses that proxies and balancers use as well, and that pass. */
const passes = (status: number): boolean => status >= 500 || status === 408 || status === 429;

/** What was answered is not the protocol: a login page, a proxy, another service. */
export function notOSS(attempt: Attempt, what: string): LitestreamError {
  return new LitestreamError('RESPONSE_INVALID', `${sentence(attempt)}: ${attempt.host} ${what}, which is not an answer of OSS`, {
    details: detailsOf(attempt),
    hint: 'Look at what stands between this machine and the service: a proxy, a login page, a wrong endpoint.',
  });
}

/** A connection that failed. Ours, a signal's reason and what is not of the network pass through. */
export function connectionError(error: unknown, attempt: Attempt): unknown {
  if (error instanceof LitestreamError) return error;
  const system = systemCodeWithin(error);
  const failure = networkFailure(system, process.env);
  if (failure === undefined) return error;
  return new LitestreamError(failure.code, `${sentence(attempt)}: cannot reach ${attempt.host} (${system})`, {
    cause: bareCause(error),
    details: { ...detailsOf(attempt), provider: system },
    hint: failure.hint,
  });
}

const sentence = ({ operation, key, bucket }: Attempt): string =>
  `cannot ${operation} ${key === undefined ? '' : `${key} in `}OSS bucket ${bucket}`;

const detailsOf = ({ operation, key, bucket, host, region }: Attempt): Record<string, string> => ({
  operation,
  ...(key === undefined ? {} : { key }),
  bucket,
  host,
  region,
});
