import { describe, expect, test } from 'vitest';
import { queryText, signedHeaders } from '../../../src/storage/oss/sign.ts';
import { verify } from '../../../tools/services/oss/signature.ts';

/** The request and the signatures that the service's own client libraries are tested with (alibabacloud-oss-go-sdk-v2, oss/signer). */
const REQUEST = {
  method: 'PUT',
  bucket: 'bucket',
  key: '1234+-/123/1.txt',
  query: { param1: 'value1', '|param1': 'value4', '+param1': 'value3', '+param2': '', '|param2': '', param2: '' },
  headers: { 'x-oss-head1': 'value', abc: 'value', zabc: 'value', xyz: 'value', 'content-type': 'text/plain' },
};
const NOW = 1_702_743_657_000;
const NOW_WITH_TOKEN = 1_702_784_856_000;
const KEYS = { accessKeyID: 'ak', accessKeySecret: 'sk' };
const authorization = (day: string, signature: string): string =>
  `OSS4-HMAC-SHA256 Credential=ak/${day}/cn-hangzhou/oss/aliyun_v4_request,Signature=${signature}`;
const PUBLISHED = 'e21d18daa82167720f9b1047ae7e7f1ce7cb77a31e8203a7d5f4624fa0284afe';
const PUBLISHED_WITH_TOKEN = 'b94a3f999cf85bcdc00d332fbd3734ba03e48382c36fa4d5af5df817395bd9ea';

describe('signatures of version 4', () => {
  test('are those that the service publishes', () => {
    const signed = signedHeaders(REQUEST, { credentials: KEYS, region: 'cn-hangzhou', now: NOW });
    expect(signed.authorization).toBe(authorization('20231216', PUBLISHED));
    expect(signed['x-oss-date']).toBe('20231216T162057Z');
  });

  test('hold the token of a session', () => {
    const credentials = { ...KEYS, securityToken: 'token' };
    const signed = signedHeaders(REQUEST, { credentials, region: 'cn-hangzhou', now: NOW_WITH_TOKEN });
    expect(signed.authorization).toBe(authorization('20231217', PUBLISHED_WITH_TOKEN));
  });

  test('of the same request are accepted by the fake, and others refused: it is held to the published ones as well', () => {
    const account = { ...KEYS, securityToken: undefined, region: 'cn-hangzhou' };
    const resource = '/bucket/1234%2B-/123/1.txt';
    const search = '%2Bparam1=value3&%2Bparam2&%7Cparam1=value4&%7Cparam2&param1=value1&param2';
    const headers = { ...REQUEST.headers, 'x-oss-content-sha256': 'UNSIGNED-PAYLOAD', 'x-oss-date': '20231216T162057Z' };
    const check = (signature: string, changed: object = {}) =>
      verify(
        { method: 'PUT', resource, search, headers: { ...headers, authorization: authorization('20231216', signature) }, ...changed },
        account,
        NOW,
      )?.[0];
    expect(check(PUBLISHED)).toBeUndefined();
    expect(check(PUBLISHED_WITH_TOKEN)).toBe('SignatureDoesNotMatch');
    expect(check(PUBLISHED, { method: 'GET' })).toBe('SignatureDoesNotMatch');
    expect(check(PUBLISHED, { resource: '/bucket/other' })).toBe('SignatureDoesNotMatch');
    expect(check(PUBLISHED, { search: 'param1=value1' })).toBe('SignatureDoesNotMatch');
  });

  test('sort parameters by their encoded names', () => {
    expect(queryText(REQUEST.query)).toBe('%2Bparam1=value3&%2Bparam2&%7Cparam1=value4&%7Cparam2&param1=value1&param2');
  });
});
