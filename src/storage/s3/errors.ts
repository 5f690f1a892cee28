/** Every way in which a request to S3 fails, turned into our codes at this one place. */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { clockSkewMs, retryAfterMs } from '../remote/answer-times.ts';
import { isForeignRefusal, legible } from '../remote/foreign-answer.ts';
import { bareCause, inOneLine, networkFailure } from '../remote/network-error.ts';

export type Operation = 'list' | 'open' | 'put' | 'stat' | 'delete' | 'look at the bucket';

/** What was being done to what, for messages. */
export interface Attempt {
  readonly operation: Operation;
  readonly key?: string;
  readonly bucket: string;
  /** Without scheme; for AWS its name. */
  readonly host: string;
  readonly region?: string | undefined;
}

type Row = readonly [ErrorCode, hint?: string | undefined];

const DENIED = 'Allow s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects.';
const KEYS = 'Check the access key and the secret; a rotation is noticed without a restart where they come from a file or a role.';
const CLOCK = "This machine's clock and the service's differ: set the clock (NTP).";
const REFUSED =
  'The service does not take a setting: check server-side-encryption, storage-class, sse-customer-key and the region of this replica.';
const ROOM = 'Free space at the destination or raise its quota; replication goes on by itself.';

/** By the service's own word for the error. */
const BY_NAME: Readonly<Record<string, Row>> = {
  NoSuchKey: ['OBJECT_NOT_FOUND', 'Another process may have removed it.'],
  NoSuchVersion: ['OBJECT_NOT_FOUND', 'Another process may have removed it.'],
  NoSuchBucket: ['CONTAINER_NOT_FOUND'],
  NoSuchAccessPoint: ['CONTAINER_NOT_FOUND'],
  NoSuchUpload: ['STORAGE_UNAVAILABLE', 'The upload was ended from outside; it is begun anew.'],
  AccessDenied: ['ACCESS_DENIED', DENIED],
  AllAccessDisabled: ['ACCESS_DENIED', DENIED],
  AccountProblem: ['ACCESS_DENIED', 'The service has closed the account or suspended it: ask its operator.'],
  InvalidObjectState: [
    'OBJECT_ARCHIVED',
    'Bring the object back in the console of the service first, and keep replicas out of archive classes.',
  ],
  InvalidAccessKeyId: ['CREDENTIALS_INVALID', KEYS],
  SignatureDoesNotMatch: ['CREDENTIALS_INVALID', `${KEYS} A proxy that changes headers has the same effect.`],
  ExpiredToken: ['CREDENTIALS_INVALID', 'The session has expired: renew the credentials.'],
  ExpiredTokenException: ['CREDENTIALS_INVALID', 'The session has expired: renew the credentials.'],
  TokenRefreshRequired: ['CREDENTIALS_INVALID', 'The session has expired: renew the credentials.'],
  InvalidToken: ['CREDENTIALS_INVALID', 'The session token does not belong to the access key: renew the credentials.'],
  InvalidIdentityToken: ['CREDENTIALS_INVALID', 'The identity token of the role is refused: renew it.'],
  MissingSecurityHeader: ['CREDENTIALS_INVALID', KEYS],
  UnrecognizedClientException: ['CREDENTIALS_INVALID', KEYS],
  CredentialsProviderError: [
    'CREDENTIALS_INVALID',
    'Set access-key-id and secret-access-key, a profile, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role is given.',
  ],
  TokenProviderError: ['CREDENTIALS_INVALID', 'Log in again (aws sso login), or give keys.'],
  RequestTimeTooSkewed: ['CREDENTIALS_INVALID', CLOCK],
  RequestExpired: ['CREDENTIALS_INVALID', CLOCK],
  SlowDown: ['STORAGE_THROTTLED'],
  ServiceUnavailable: ['STORAGE_UNAVAILABLE'],
  RequestLimitExceeded: ['STORAGE_THROTTLED'],
  TooManyRequests: ['STORAGE_THROTTLED'],
  TooManyRequestsException: ['STORAGE_THROTTLED'],
  Throttling: ['STORAGE_THROTTLED'],
  ThrottlingException: ['STORAGE_THROTTLED'],
  BandwidthLimitExceeded: ['STORAGE_THROTTLED'],
  // Tigris sheds load with these words; nobody on this side has cancelled anything.
  RequestCanceled: ['STORAGE_THROTTLED'],
  RequestTimeout: ['STORAGE_UNAVAILABLE'],
  InternalError: ['STORAGE_UNAVAILABLE'],
  OperationAborted: ['STORAGE_UNAVAILABLE'],
  IncompleteBody: ['STORAGE_UNAVAILABLE'],
  BadDigest: ['STORAGE_UNAVAILABLE', 'The bytes changed on their way: look for a proxy or a failing network card.'],
  XAmzContentSHA256Mismatch: ['STORAGE_UNAVAILABLE', 'The bytes changed on their way: look for a proxy or a failing network card.'],
  PreconditionFailed: ['PRECONDITION_FAILED'],
  ConditionalRequestConflict: ['STORAGE_UNAVAILABLE', 'Two conditional writes met; the call is repeated.'],
  NotImplemented: ['NOT_SUPPORTED'],
  MethodNotAllowed: ['NOT_SUPPORTED'],
  UnsupportedOperation: ['NOT_SUPPORTED'],
  QuotaExceeded: ['STORAGE_FULL', ROOM],
  StorageLimitExceeded: ['STORAGE_FULL', ROOM],
  XMinioStorageFull: ['STORAGE_FULL', ROOM],
  XAmzStorageFull: ['STORAGE_FULL', ROOM],
  TooManyBuckets: ['STORAGE_FULL', ROOM],
  InvalidStorageClass: ['CONFIG_INVALID', 'Choose a storage class this service has, or none.'],
  InvalidRequest: ['CONFIG_INVALID', REFUSED],
  InvalidArgument: ['CONFIG_INVALID', REFUSED],
  InvalidEncryptionAlgorithmError: ['CONFIG_INVALID', REFUSED],
  ServerSideEncryptionConfigurationNotFoundError: ['CONFIG_INVALID', REFUSED],
  InvalidBucketName: ['CONFIG_INVALID', 'Check the name of the bucket.'],
  'KMS.DisabledException': ['ACCESS_DENIED', 'Enable the KMS key.'],
  'KMS.NotFoundException': ['CONFIG_INVALID', 'There is no such KMS key in the region of the bucket.'],
  'KMS.ThrottlingException': ['STORAGE_THROTTLED'],
  PermanentRedirect: ['CONFIG_INVALID', 'The bucket is reached elsewhere: set its region or its endpoint.'],
  AuthorizationHeaderMalformed: ['CONFIG_INVALID', 'Set the region of the bucket.'],
  EntityTooLarge: ['TOO_LARGE', 'Lower part-size, or ask the operator of the service for a higher limit.'],
};

/** By status, when the answer has no word or an unknown one: proxies, HEAD requests, lookalikes. */
const BY_STATUS: Readonly<Record<number, Row>> = {
  301: ['CONFIG_INVALID', 'The bucket is reached elsewhere: set its region or its endpoint.'],
  307: ['STORAGE_UNAVAILABLE', 'The bucket is being moved between regions.'],
  401: ['CREDENTIALS_INVALID', KEYS],
  403: ['ACCESS_DENIED', DENIED],
  404: ['OBJECT_NOT_FOUND'],
  405: ['NOT_SUPPORTED'],
  407: ['ACCESS_DENIED', 'The proxy wants a login: put it into HTTPS_PROXY.'],
  408: ['STORAGE_UNAVAILABLE'],
  409: ['STORAGE_UNAVAILABLE'],
  412: ['PRECONDITION_FAILED'],
  429: ['STORAGE_THROTTLED'],
  501: ['NOT_SUPPORTED'],
  507: ['STORAGE_FULL', ROOM],
};

const TRUST = 'Give the authority of the certificate in NODE_EXTRA_CA_CERTS, or set skip-verify where that is acceptable.';

/** Parts of an error of the SDK, read without trusting its shape. */
export interface Failure {
  readonly name: string | undefined;
  readonly status: number | undefined;
  readonly requestID: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly message: string;
  /** First characters of an answer that could not be understood. */
  readonly excerpt: string | undefined;
  /** A refusal without the marks of the service, and not in its language. */
  readonly isForeign: boolean;
  /** The region the service names as the right one. */
  readonly region: string | undefined;
  readonly endpoint: string | undefined;
}

interface SDKError extends Error {
  readonly Code?: unknown;
  readonly Region?: unknown;
  readonly Endpoint?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
  readonly $response?: { readonly statusCode?: number; readonly headers?: Record<string, string>; readonly foreign?: string };
  readonly $responseBodyText?: unknown;
  readonly head?: unknown;
  readonly body?: unknown;
}

/** What a thrown thing tells; undefined when it is not an error at all. */
export function failureOf(error: unknown): Failure | undefined {
  if (!(error instanceof Error)) return undefined;
  const sdk = error as SDKError;
  const headers = sdk.$response?.headers ?? {};
  const body = text(sdk.$responseBodyText);
  const status = sdk.$response?.statusCode ?? sdk.$metadata?.httpStatusCode;
  const name = text(sdk.Code) ?? (MEANINGLESS.has(error.name) ? undefined : error.name);
  return {
    name,
    status,
    requestID: sdk.$metadata?.requestId ?? headers['x-amz-request-id'],
    headers,
    message: error.message,
    excerpt: excerptOf(body ?? pageOf(sdk)),
    isForeign: headers['x-amz-request-id'] === undefined && isForeignRefusal(status, headers['content-type'], body),
    region: text(headers['x-amz-bucket-region']) ?? text(sdk.Region),
    endpoint: text(sdk.Endpoint),
  };
}

/** A page without a word is shown as it is. */
const excerptOf = (page: string | undefined): string | undefined =>
  page === undefined ? undefined : legible(page) || page.replace(/\s+/g, ' ').slice(0, 100);

/** Text of a page of a proxy: one that can be read as XML the SDK takes apart, and keeps the parts. */
function pageOf({ head, body }: SDKError): string | undefined {
  const leaves = (part: unknown): string[] =>
    typeof part === 'string' ? [part] : typeof part === 'object' && part !== null ? Object.values(part).flatMap(leaves) : [];
  return text([...leaves(head), ...leaves(body)].join(' '));
}

/** Names the SDK gives to answers it knows nothing of. */
const MEANINGLESS = new Set([
  'Error',
  'Unknown',
  'UnknownError',
  'NotFound',
  'S3ServiceException',
  'SyntaxError',
  'TypeError',
  'WireError',
]);

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** Gives a failure of the SDK our code; errors that are ours already pass through. */
export function s3Error(error: unknown, attempt: Attempt): LitestreamError {
  if (error instanceof LitestreamError) return error;
  const failure = failureOf(error);
  if (failure === undefined) return new LitestreamError('INTERNAL', `${describe(attempt)} failed`, { cause: error });
  const system = failure.status === undefined ? systemCode(error) : undefined;
  const [code, hint] = settle(system === undefined ? rowOf(failure) : systemRow(system), failure, attempt);
  const retryAfter = retryAfterMs(failure.headers['retry-after']);
  return new LitestreamError(code, messageOf(failure, system, code, attempt), {
    ...(saysNothing(failure) ? {} : { cause: system === undefined ? error : bareCause(error) }),
    ...(hint === undefined ? {} : { hint }),
    details: {
      store: 's3',
      bucket: attempt.bucket,
      host: attempt.host,
      operation: attempt.operation,
      ...(attempt.key === undefined ? {} : { key: attempt.key }),
      ...(attempt.region === undefined ? {} : { region: attempt.region }),
      ...(failure.name === undefined && system === undefined ? {} : { provider: failure.name ?? system }),
      ...(failure.status === undefined ? {} : { status: failure.status }),
      ...(failure.requestID === undefined ? {} : { requestID: failure.requestID }),
      ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
      ...skewOf(failure),
    },
  });
}

/** How far this machine's clock is behind the service's, for failures that are about it. */
function skewOf({ name, headers }: Failure): { readonly skewMs?: number } {
  const skewMs = name !== undefined && CLOCK_NAMES.has(name) ? clockSkewMs(headers.date) : undefined;
  return skewMs === undefined ? {} : { skewMs };
}

const CLOCK_NAMES = new Set(['RequestTimeTooSkewed', 'RequestExpired']);

/** `reading k of s3://b at HOST`, for messages. */
export const describe = ({ operation, key, bucket, host }: Attempt): string =>
  `cannot ${operation} ${key === undefined ? '' : `${key} of `}s3://${bucket} at ${host}`;

const FOREIGN: Row = [
  'RESPONSE_INVALID',
  'What answered is not the service: look at the endpoint, and for a proxy, a login page or a firewall on the way there.',
];

function rowOf({ name, status, excerpt, isForeign }: Failure): Row {
  if (isForeign) return FOREIGN;
  const named = name !== undefined && Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (named !== undefined) return named;
  const byStatus = status === undefined ? undefined : BY_STATUS[status];
  if (byStatus !== undefined) return byStatus;
  if (status !== undefined && status >= 500) return ['STORAGE_UNAVAILABLE'];
  if (status !== undefined && status >= 200 && status < 300)
    return ['RESPONSE_INVALID', 'Look at what stands between this machine and the service.'];
  if (status !== undefined && status >= 400) return excerpt === undefined ? ['STORAGE_UNAVAILABLE'] : FOREIGN;
  return ['STORAGE_UNAVAILABLE'];
}

function systemRow(system: string): Row {
  const failure = networkFailure(system, process.env);
  if (failure === undefined) return ['STORAGE_UNAVAILABLE'];
  return [failure.code, failure.code === 'ENDPOINT_UNTRUSTED' ? TRUST : failure.hint];
}

/** What the operation changes about the meaning of an answer. */
function settle([code, hint]: Row, failure: Failure, { operation, bucket, host, region }: Attempt): Row {
  const missing = code === 'OBJECT_NOT_FOUND' && (operation === 'list' || operation === 'look at the bucket');
  if (missing || code === 'CONTAINER_NOT_FOUND') {
    return [
      'CONTAINER_NOT_FOUND',
      `The bucket ${bucket} does not exist at ${host}${region === undefined ? '' : ` (region ${region})`}: create it, or correct the name.`,
    ];
  }
  if (code !== 'CONFIG_INVALID' || (failure.region === undefined && failure.endpoint === undefined)) return [code, hint];
  return [code, failure.region === undefined ? `Set endpoint: https://${failure.endpoint}` : `Set region: ${failure.region}`];
}

/** The SDK's word for an answer without a message; of no use to anybody as a cause. */
const saysNothing = ({ message }: Failure): boolean => message === '' || message === 'UnknownError';

function messageOf(failure: Failure, system: string | undefined, code: ErrorCode, attempt: Attempt): string {
  const what = describe(attempt);
  if (system !== undefined) return `${what}: cannot reach it (${system}: ${inOneLine(failure.message)})`;
  if (failure.excerpt !== undefined && (failure.name === undefined || code === 'RESPONSE_INVALID')) {
    return `${what}: the endpoint answered with ${failure.status ?? 'something'}, not in the language of S3: ${failure.excerpt}`;
  }
  const word = failure.name ?? `status ${failure.status ?? 'unknown'}`;
  const said = saysNothing(failure) ? '' : `: ${failure.message.split('\n', 1)[0]}`;
  return `${what}: ${word}${said}`;
}
