/** The table of what went wrong: one row a test. */

import { expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { type Attempt, s3Error } from '../../../src/storage/s3/errors.ts';

const ATTEMPT: Attempt = { operation: 'put', key: 'db/0000/k', bucket: 'b', host: 'h:9000', region: 'r-1' };

const answered = (status: number, code?: string, headers: Record<string, string> = {}): Error =>
  Object.assign(new Error('said the service'), {
    name: code ?? 'Unknown',
    ...(code === undefined ? {} : { Code: code }),
    $metadata: { httpStatusCode: status, requestId: 'REQ1' },
    $response: { statusCode: status, headers },
  });

const broken = (code: string): Error => Object.assign(new Error('broke'), { code });

test.each([
  [404, 'NoSuchKey', 'OBJECT_NOT_FOUND'],
  [404, 'NoSuchBucket', 'CONTAINER_NOT_FOUND'],
  [403, 'AccessDenied', 'ACCESS_DENIED'],
  [403, 'AllAccessDisabled', 'ACCESS_DENIED'],
  [403, 'InvalidObjectState', 'OBJECT_ARCHIVED'],
  [403, 'InvalidAccessKeyId', 'CREDENTIALS_INVALID'],
  [403, 'SignatureDoesNotMatch', 'CREDENTIALS_INVALID'],
  [400, 'ExpiredToken', 'CREDENTIALS_INVALID'],
  [400, 'TokenRefreshRequired', 'CREDENTIALS_INVALID'],
  [400, 'InvalidToken', 'CREDENTIALS_INVALID'],
  [401, undefined, 'CREDENTIALS_INVALID'],
  [403, 'RequestTimeTooSkewed', 'CREDENTIALS_INVALID'],
  [503, 'SlowDown', 'STORAGE_THROTTLED'],
  [429, undefined, 'STORAGE_THROTTLED'],
  [503, 'RequestLimitExceeded', 'STORAGE_THROTTLED'],
  [408, 'RequestCanceled', 'STORAGE_THROTTLED'],
  [408, undefined, 'STORAGE_UNAVAILABLE'],
  [400, 'RequestTimeout', 'STORAGE_UNAVAILABLE'],
  [500, 'InternalError', 'STORAGE_UNAVAILABLE'],
  [500, undefined, 'STORAGE_UNAVAILABLE'],
  [502, undefined, 'STORAGE_UNAVAILABLE'],
  [504, undefined, 'STORAGE_UNAVAILABLE'],
  [503, 'SomethingNobodyKnows', 'STORAGE_UNAVAILABLE'],
  [412, 'PreconditionFailed', 'PRECONDITION_FAILED'],
  [412, undefined, 'PRECONDITION_FAILED'],
  [409, 'ConditionalRequestConflict', 'STORAGE_UNAVAILABLE'],
  [400, 'QuotaExceeded', 'STORAGE_FULL'],
  [507, 'XMinioStorageFull', 'STORAGE_FULL'],
  [507, undefined, 'STORAGE_FULL'],
  [403, 'StorageLimitExceeded', 'STORAGE_FULL'],
  [501, 'NotImplemented', 'NOT_SUPPORTED'],
  [405, undefined, 'NOT_SUPPORTED'],
  [400, 'InvalidRequest', 'CONFIG_INVALID'],
  [400, 'InvalidStorageClass', 'CONFIG_INVALID'],
])('%d %s is %s', (status, code, expected) => {
  const error = s3Error(answered(status, code), ATTEMPT);
  expect(error.code).toBe(expected);
  expect(error.message).toContain('s3://b at h:9000');
  expect(error.details).toMatchObject({
    store: 's3',
    bucket: 'b',
    key: 'db/0000/k',
    operation: 'put',
    host: 'h:9000',
    status,
    requestID: 'REQ1',
    ...(code === undefined ? {} : { provider: code }),
  });
});

test.each([
  ['ECONNREFUSED', 'STORAGE_UNAVAILABLE'],
  ['ECONNRESET', 'STORAGE_UNAVAILABLE'],
  ['EPIPE', 'STORAGE_UNAVAILABLE'],
  ['ENOTFOUND', 'STORAGE_UNAVAILABLE'],
  ['EAI_AGAIN', 'STORAGE_UNAVAILABLE'],
  ['EHOSTUNREACH', 'STORAGE_UNAVAILABLE'],
  ['EMFILE', 'STORAGE_UNAVAILABLE'],
  ['EPROTO', 'STORAGE_UNAVAILABLE'],
  ['HPE_INVALID_CONSTANT', 'STORAGE_UNAVAILABLE'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'ENDPOINT_UNTRUSTED'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'ENDPOINT_UNTRUSTED'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'ENDPOINT_UNTRUSTED'],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'ENDPOINT_UNTRUSTED'],
  ['CERT_HAS_EXPIRED', 'ENDPOINT_UNTRUSTED'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'ENDPOINT_UNTRUSTED'],
])('a connection that ends with %s is %s', (code, expected) => {
  const error = s3Error(broken(code), ATTEMPT);
  expect(error.code).toBe(expected);
  expect(error.message).toContain(code);
  expect(error.details?.provider).toBe(code);
});

test('an answer without a message has no cause to be told, and a connection none of several lines', () => {
  const silent = Object.assign(answered(403, 'InvalidAccessKeyId'), { message: 'UnknownError' });
  expect(s3Error(silent, ATTEMPT).cause).toBeUndefined();
  expect(s3Error(silent, ATTEMPT).message).not.toContain('UnknownError');
  const tls = Object.assign(broken('EPROTO'), {
    message: 'write EPROTO 40:error:0A00010B:SSL routines:f:wrong version number:../x.c:77:\n',
  });
  const error = s3Error(tls, ATTEMPT);
  expect(error.message).toContain('EPROTO: TLS: wrong version number');
  expect(error.message).toContain((error.cause as Error).message);
});

test('every refusal has a hint', () => {
  for (const [status, code] of [
    [403, 'AccessDenied'],
    [403, 'InvalidAccessKeyId'],
    [404, 'NoSuchBucket'],
    [403, 'InvalidObjectState'],
    [403, 'RequestTimeTooSkewed'],
    [400, 'QuotaExceeded'],
    [400, 'InvalidRequest'],
  ] as const)
    expect(s3Error(answered(status, code), ATTEMPT).hint, code).toMatch(/\.$/);
});

test('a delay the service asks for is handed on', () => {
  expect(s3Error(answered(503, 'SlowDown', { 'retry-after': '7' }), ATTEMPT).details?.retryAfterMs).toBe(7000);
});

test('what comes instead of S3 is shown, shortened to one line', () => {
  const error = s3Error(Object.assign(answered(502), { $responseBodyText: `<html>\n<h1>Bad   Gateway</h1>${'x'.repeat(500)}` }), ATTEMPT);
  expect(error.message).toMatch(/answered with 502, not in the language of S3: Bad Gateway/);
  expect(error.message.length).toBeLessThan(300);
});

test('errors of ours pass through, and what is no error becomes one', () => {
  const ours = new LitestreamError('READ_TRUNCATED', 'x');
  expect(s3Error(ours, ATTEMPT)).toBe(ours);
  expect(s3Error('what', ATTEMPT)).toMatchObject({ code: 'INTERNAL' });
});
