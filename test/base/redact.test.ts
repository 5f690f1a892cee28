/** Nothing that is a secret passes, and ordinary words do. */

import { afterEach, expect, test } from 'vitest';
import { forgetSecrets, redact, redactDeep, redactErrorData, registerSecret } from '../../src/base/redact.ts';

afterEach(forgetSecrets);

const AWS = `AKIA${'IOSFODNN7EXAMPLE'}`;
const JWT = `eyJ${'hbGciOiJIUzI1NiJ9'}.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlMTIz`;
const PEM = `-----BEGIN RSA ${'PRIVATE KEY'}-----\nMIIEowIBAAKCAQEA\nabcdef\n-----END RSA PRIVATE KEY-----`;

test.each([
  ['a token of ours', 'used lsm_AbCdEf0123456789_-x here', 'lsm_'],
  ['an access key', `key ${AWS} is wrong`, AWS],
  ['an age key', 'AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L', 'QQPZRY'],
  ['a JWT', `got ${JWT}.`, 'eyJ'],
  ['a PEM block', `read ${PEM} ok`, 'MIIE'],
  ['a cut PEM block', PEM.slice(0, 50), 'MIIE'],
  ['user info', 'sftp://me:p@ss:word@host/path', 'p@ss'],
  ['a user name alone', 'https://me@host/path', 'me@'],
  ['a bearer value', 'Authorization: Bearer abc.def-ghi_123', 'abc.def'],
  ['a basic value', '{"authorization":"Basic dXNlcjpwYXNzd29yZA=="}', 'dXNlcj'],
  ['a signature header', 'Authorization: AWS4-HMAC-SHA256 Credential=X/2026, SignedHeaders=host, Signature=abc123def', 'abc123def'],
  ['a signed URL', 'https://h/b?X-Amz-Credential=ABC&X-Amz-Signature=deadbeef&x=1', 'deadbeef'],
  ['a SAS', 'https://a.blob/x?sv=1&sig=abcdef%3D&se=2', 'abcdef'],
  ['a query token', 'GET /mcp?token=hunter2hunter2', 'hunter2'],
  ['a secret key in an assignment', 'aws_secret_access_key = wJalrXUtnFEMI/K7MDENG', 'wJalr'],
  ['a password in a body', '{"password":"hunter2"}', 'hunter2'],
])('%s goes', (_what, text, secret) => {
  const clean = redact(text);
  expect(clean).not.toContain(secret);
  expect(clean).toContain('[redacted]');
});

test.each([
  'database app is replicating at 00000000000000a4',
  'https://host/path?x=1&prefix=a',
  's3://bucket/key',
  'the password of nobody',
  'a basic check of the bearer',
  '/srv/app/app.db',
  'me@example.org',
])('%j stays as it is', (text) => expect(redact(text)).toBe(text));

test('configured values go wherever they are, the longest first; short ones are left alone', () => {
  registerSecret('hunter22');
  registerSecret('hunter22-and-more/x');
  registerSecret('abc');
  expect(redact('hunter22-and-more/x hunter22 abc hunter22-and-more%2Fx')).toBe('[redacted] [redacted] abc [redacted]');
});

test('data is cleaned in depth, keys too, and stays data', () => {
  registerSecret('hunter22');
  const clean = redactDeep({ hunter22: ['x hunter22', 1, null, true], ['__proto__']: { a: 'hunter22' } });
  expect(JSON.stringify(clean)).not.toContain('hunter22');
  expect(Object.getPrototypeOf(clean)).toBe(Object.prototype);
});

test('an error loses secrets and all but the first line of its cause', () => {
  registerSecret('hunter22');
  const data = redactErrorData({
    code: 'ACCESS_DENIED',
    message: 'hunter22',
    hint: 'hunter22',
    details: { a: 'hunter22' },
    cause: `${'x'.repeat(300)}\nhunter22`,
  });
  expect(JSON.stringify(data)).not.toContain('hunter22');
  expect(data.cause).toHaveLength(200);
});

test('a long hostile text takes no longer than a moment', () => {
  const start = process.cpuUsage();
  for (const text of [
    '-----BEGIN A'.repeat(20_000),
    'a://'.repeat(50_000),
    'authorization:'.repeat(20_000),
    '?token='.repeat(30_000),
    'eyJ'.repeat(60_000),
    'password:"'.repeat(20_000),
  ])
    redact(text);
  // Processor time: the machine may be busy with something else.
  expect(process.cpuUsage(start).user / 1000).toBeLessThan(3_000);
});
