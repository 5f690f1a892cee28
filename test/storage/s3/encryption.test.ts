/** Server-side encryption: which settings are taken and what becomes of them. */

import { describe, expect, test } from 'vitest';
import { encryptionOf, isPrivateHost } from '../../../src/storage/s3/encryption.ts';
import { formatTimestamp, parseTimestamp } from '../../../src/storage/s3/metadata.ts';
import { PROVIDERS, providerOf } from '../../../src/storage/s3/providers.ts';
import { retryAfterMs } from '../../../src/storage/s3/retry-after.ts';
import { storageClassWarning } from '../../../src/storage/s3/storage-class.ts';
import type { S3StoreSpec } from '../../../src/storage/spec.ts';

const KEY = Buffer.alloc(32, 9).toString('base64');
const parameters = (spec: Partial<S3StoreSpec>, endpoint?: string) =>
  encryptionOf({ type: 's3', bucket: 'b', path: '', ...spec }, endpoint, providerOf(endpoint));
const withKey = (sseCustomerKey: string) => ({ credentials: { sseCustomerKey } });

describe('a customer key', () => {
  test.each([
    ['no base64', 'not base64 at all!!'],
    ['too short', Buffer.alloc(16).toString('base64')],
    ['too long', Buffer.alloc(33).toString('base64')],
    ['hexadecimal', '00'.repeat(32)],
  ])('that is %s is refused, without showing it', (_, key) => {
    const attempt = () => parameters(withKey(key));
    expect(attempt).toThrowError(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(attempt).not.toThrowError(key);
  });

  test('excludes a KMS key', () => {
    expect(() => parameters({ ...withKey(KEY), sseKmsKeyID: 'k' })).toThrowError(/exclude/);
  });

  test.each(['http://s3.example.com', 'http://172.200.1.1:9000', 'http://8.8.8.8', 'http://localhost.example.com'])(
    'does not go in the clear to %s',
    (endpoint) => {
      expect(() => parameters(withKey(KEY), endpoint)).toThrowError(/plain HTTP/);
    },
  );

  test.each([
    'http://localhost:9000',
    'http://127.0.0.1:9000',
    'http://10.1.2.3',
    'http://192.168.1.1',
    'http://172.16.0.1',
    'http://[::1]:9000',
    'https://s3.example.com',
  ])('goes to %s', (endpoint) => {
    expect(parameters(withKey(KEY), endpoint).access).toEqual({ SSECustomerAlgorithm: 'AES256', SSECustomerKey: KEY });
  });

  test('takes the place of SSE-S3', () => {
    expect(parameters(withKey(KEY)).write).not.toHaveProperty('ServerSideEncryption');
  });
});

test('SSE-S3 is asked for by default where it is documented, and nowhere else', () => {
  const asked = PROVIDERS.filter(({ sseS3 }) => sseS3).map(({ name }) => name);
  expect(asked).toEqual(['aws', 'backblaze-b2']);
  expect(parameters({}).write).toEqual({ ServerSideEncryption: 'AES256' });
  expect(parameters({ serverSideEncryption: 'none' }).write).toEqual({});
  expect(parameters({}, 'http://localhost:9000').write).toEqual({});
  expect(parameters({ serverSideEncryption: 'AES256' }, 'http://localhost:9000').write).toEqual({ ServerSideEncryption: 'AES256' });
});

test.each(['fe80::1', 'fd00::5', '169.254.1.1', 'nas.local'])('%s is private', (host) => {
  expect(isPrivateHost(host)).toBe(true);
});

test.each(['172.32.0.1', '11.0.0.1', '2001:db8::1', 'example.com'])('%s is not', (host) => {
  expect(isPrivateHost(host)).toBe(false);
});

test('classes that suit a replica badly are warned of', () => {
  for (const name of ['GLACIER', 'DEEP_ARCHIVE', 'deep_archive', 'STANDARD_IA']) expect(storageClassWarning(name), name).toBeDefined();
  for (const name of ['STANDARD', 'INTELLIGENT_TIERING', 'constructor', '']) expect(storageClassWarning(name), name).toBeUndefined();
});

test('times are written as the original writes them, and read back', () => {
  expect([0, 500, 120, 123].map((ms) => formatTimestamp(Date.UTC(2026, 0, 1) + ms))).toEqual([
    '2026-01-01T00:00:00Z',
    '2026-01-01T00:00:00.5Z',
    '2026-01-01T00:00:00.12Z',
    '2026-01-01T00:00:00.123Z',
  ]);
  for (const ms of [0, 1, 999, 1_767_225_600_123, 1_767_225_610_000]) expect(parseTimestamp(formatTimestamp(ms))).toBe(ms);
  for (const text of ['', 'now', '2026-13-45T99:00:00Z', '2026-01-01T00:00:00', '2026-01-01T00:00:00.1234567890Z']) {
    expect(parseTimestamp(text), text).toBeUndefined();
  }
});

test('a delay the service asks for is read in both its forms', () => {
  const now = Date.UTC(2026, 0, 1);
  expect(['3', '0.5', new Date(now + 5000).toUTCString(), '0', 'soon', undefined].map((text) => retryAfterMs(text, now))).toEqual([
    3000,
    500,
    5000,
    undefined,
    undefined,
    undefined,
  ]);
});
