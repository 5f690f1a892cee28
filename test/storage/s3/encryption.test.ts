/** Server-side encryption: which settings are taken and what becomes of them. */

import { describe, expect, test } from 'vitest';
import { encryptionOf, isPrivateHost } from '../../../src/storage/s3/encryption.ts';
import { PROVIDERS, providerOf } from '../../../src/storage/s3/providers.ts';
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
