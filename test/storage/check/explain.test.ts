import { describe, expect, test } from 'vitest';
import { type ErrorCode, LitestreamError } from '../../../src/base/errors.ts';
import { describeSkew, explainFailure } from '../../../src/storage/check/explain.ts';
import type { CheckStepName } from '../../../src/storage/check/steps.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';

const SPECS = {
  s3: { type: 's3', bucket: 'backups', path: 'db', region: 'eu-west-1', endpoint: 'http://127.0.0.1:9000' },
  gs: { type: 'gs', bucket: 'backups', path: 'db', projectID: 'p1' },
  abs: { type: 'abs', bucket: 'backups', path: 'db', accountName: 'acc' },
  oss: { type: 'oss', bucket: 'backups', path: 'db' },
  nats: { type: 'nats', servers: ['nats://127.0.0.1:4222'], bucket: 'backups', path: '' },
  sftp: { type: 'sftp', host: 'h', user: 'u', path: 'db' },
  webdav: { type: 'webdav', endpoint: 'https://h/dav', path: 'db' },
  file: { type: 'file', path: '/srv/db' },
} as const satisfies { readonly [T in StoreSpec['type']]: StoreSpec };

const explain = (
  code: ErrorCode,
  step: CheckStepName,
  spec: StoreSpec,
  options: { hint?: string; details?: Record<string, unknown> } = {},
) => explainFailure(new LitestreamError(code, `cannot put db/x into backups: 403 Forbidden.\nmore`, options), step, spec);

describe('the cause of a failed step', () => {
  test('is one sentence', () => {
    expect(explain('STORAGE_UNAVAILABLE', 'write', SPECS.s3)).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      cause: 'cannot put db/x into backups: 403 Forbidden',
    });
  });

  test.each([
    ['s3', 'aws s3 mb s3://backups --region eu-west-1 --endpoint-url http://127.0.0.1:9000'],
    ['gs', 'gcloud storage buckets create gs://backups --project p1'],
    ['abs', 'az storage container create --name backups --account-name acc'],
    ['oss', 'ossutil mb oss://backups'],
    ['nats', 'nats object add backups --server nats://127.0.0.1:4222'],
  ] as const)('a missing container of %s comes with the command that makes it', (type, command) => {
    expect(explain('CONTAINER_NOT_FOUND', 'write', SPECS[type]).fix).toBe(`Create it: ${command}`);
  });

  test.each(Object.keys(SPECS) as StoreSpec['type'][])('a right that is missing at %s is named as the service names it', (type) => {
    const rights = (['write', 'read', 'list', 'delete'] as const).map((step) => explain('ACCESS_DENIED', step, SPECS[type]).fix);
    expect(new Set(rights).size).toBeGreaterThanOrEqual(3);
    for (const fix of rights) expect(fix).toMatch(/^The login of this replica lacks a right: .+\.$/);
  });

  test('without the right to delete backups are written all the same', () => {
    expect(explain('ACCESS_DENIED', 'delete', SPECS.s3).fix).toMatch(/s3:DeleteObject.*retention/);
  });

  test('the hint of the store wins, and every code has a fix without one', () => {
    expect(explain('CREDENTIALS_INVALID', 'write', SPECS.s3, { hint: 'Renew them.' }).fix).toBe('Renew them.');
    for (const code of ['STORAGE_UNAVAILABLE', 'TIMEOUT', 'ENDPOINT_UNTRUSTED', 'RESPONSE_INVALID', 'STORAGE_FULL', 'INTERNAL'] as const)
      expect(explain(code, 'write', SPECS.s3).fix).toMatch(/[.?]$/);
  });

  test('a clock that differs is told in seconds, once', () => {
    expect(explain('CREDENTIALS_INVALID', 'write', SPECS.s3, { hint: 'Renew them.', details: { clockSkewMs: -900_000 } }).fix).toBe(
      `Renew them. The clock of this machine is 900 s ahead of the service's: set it right.`,
    );
    expect(explain('CREDENTIALS_INVALID', 'write', SPECS.s3, { hint: 'Set the clock.', details: { clockSkewMs: 900_000 } }).fix).toBe(
      'Set the clock.',
    );
    expect(describeSkew(90_000)).toContain('90 s behind');
  });
});
