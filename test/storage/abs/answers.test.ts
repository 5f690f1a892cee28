/** What answers of the Azure service, and answers of others in its place, mean: against a scripted server. */

import { describe, expect, test } from 'vitest';
import { errorToData } from '../../../src/base/errors.ts';
import { AzureStore } from '../../../src/storage/abs/abs.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { listAll, listKeys, patternBytes } from '../contract/bodies.ts';
import { cutListings, foreignAnswers, OPERATIONS, refusals, unreachableServices } from '../scripted-answers.ts';
import { ScriptedService } from '../scripted-service.ts';
import { ACCOUNT_KEY, created, fail, list, listing, MARKS, scriptedAzure } from './scripted.ts';

const service = new ScriptedService(scriptedAzure);
const answering = service.storeAnswered;

describe('an answer that is not the service', () => {
  foreignAnswers(service, OPERATIONS, {
    'a page of HTML': ['text/html', '<!DOCTYPE html><html><body><p>Please log in<br></body></html>'],
    'a page of XHTML, which is XML': [
      'application/xhtml+xml',
      '<?xml version="1.0"?><html><head/><body><p>Please log in</p></body></html>',
    ],
    'an empty body': ['application/xml', ''],
    JSON: ['application/json', '{"Blobs":[]}'],
    'another document in XML': ['application/xml', '<?xml version="1.0"?><ListBucketResult><Name>box</Name></ListBucketResult>'],
  });

  const whole = listing([{ name: 'db/a' }, { name: 'db/b' }]);
  cutListings(service, {
    whole,
    head: { ...MARKS, 'content-type': 'application/xml' },
    cuts: [0, 1, 60, whole.indexOf('<Blobs>'), whole.indexOf('</Blob>') + 7, whole.length - 1],
  });

  test('a listing that ends early as if it were whole is RESPONSE_INVALID', async () => {
    const store = await answering((_, response) => list(response, whole.slice(0, whole.indexOf('</Blob>') + 7)));
    await expect(listAll(store)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });
});

describe('a refusal', () => {
  refusals(service, OPERATIONS, {
    fail,
    requestID: 'request-7',
    named: ['box', 'request-7'],
    throttled: 'TooManyRequests',
    table: [
      [403, 'AuthorizationFailure', 'ACCESS_DENIED'],
      [403, 'AuthorizationPermissionMismatch', 'ACCESS_DENIED'],
      [403, 'AuthorizationSourceIPMismatch', 'ACCESS_DENIED'],
      [403, 'InsufficientAccountPermissions', 'ACCESS_DENIED'],
      [409, 'PublicAccessNotPermitted', 'ACCESS_DENIED'],
      [409, 'BlobImmutableDueToPolicy', 'ACCESS_DENIED'],
      [412, 'LeaseIdMissing', 'ACCESS_DENIED'],
      [403, 'AuthenticationFailed', 'CREDENTIALS_INVALID'],
      [401, 'InvalidAuthenticationInfo', 'CREDENTIALS_INVALID'],
      [401, 'NoAuthenticationInformation', 'CREDENTIALS_INVALID'],
      [404, 'ContainerNotFound', 'CONTAINER_NOT_FOUND'],
      [409, 'ContainerBeingDeleted', 'CONTAINER_NOT_FOUND'],
      [503, 'ServerBusy', 'STORAGE_THROTTLED'],
      [429, 'TooManyRequests', 'STORAGE_THROTTLED'],
      [500, 'InternalError', 'STORAGE_UNAVAILABLE'],
      [500, 'OperationTimedOut', 'STORAGE_UNAVAILABLE'],
      [408, 'SomethingSlow', 'STORAGE_UNAVAILABLE'],
      [502, 'BadGateway', 'STORAGE_UNAVAILABLE'],
      [504, 'GatewayTimeout', 'STORAGE_UNAVAILABLE'],
      [507, 'InsufficientStorage', 'STORAGE_FULL'],
      [412, 'ConditionNotMet', 'PRECONDITION_FAILED'],
      [409, 'BlobAlreadyExists', 'PRECONDITION_FAILED'],
      [409, 'BlobArchived', 'OBJECT_ARCHIVED'],
      [409, 'BlobBeingRehydrated', 'OBJECT_ARCHIVED'],
      [400, 'InvalidResourceName', 'NOT_SUPPORTED'],
      [409, 'SnapshotsPresent', 'NOT_SUPPORTED'],
      [409, 'InvalidBlobType', 'NOT_SUPPORTED'],
      [409, 'SomethingNew', 'NOT_SUPPORTED'],
    ],
  });

  test('is known by its header alone, as answers to HEAD are', async () => {
    const store = await answering((_, response) => response.writeHead(404, { ...MARKS, 'x-ms-error-code': 'BlobNotFound' }).end());
    await expect(store.stat('db/a')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await expect(store.open('db/a')).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    await store.delete(['db/a']);
  });

  test('to delete in a missing container is an error, not a success', async () => {
    const store = await answering((_, response) => fail(response, 404, 'ContainerNotFound'));
    const keys = Array.from({ length: 20 }, (_, i) => `db/${i}`);
    await expect(store.delete(keys)).rejects.toMatchObject({ code: 'CONTAINER_NOT_FOUND' });
  });

  test('for an expired SAS says when it ran out', async () => {
    const text =
      'Server failed to authenticate the request.\n</Message><AuthenticationErrorDetail>Signature not valid in the specified time frame: Start [Tue, 01 Jul 2025 10:00:00 GMT] - Expiry [Wed, 02 Jul 2025 10:00:00 GMT] - Current [Thu, 03 Jul 2025 10:00:00 GMT]</AuthenticationErrorDetail><Message>';
    const store = await answering((_, response) => fail(response, 403, 'AuthenticationFailed', { text }));
    const failure = await listAll(store).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'CREDENTIALS_INVALID' });
    expect(errorToData(failure).hint).toContain('Wed, 02 Jul 2025 10:00:00 GMT');
  });

  test('for a clock that is off tells by how much', async () => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    const store = await answering((_, response) => fail(response, 403, 'AuthenticationFailed', { headers: { date } }));
    const failure = errorToData(await listAll(store).catch((error: unknown) => error));
    expect(failure.code).toBe('CREDENTIALS_INVALID');
    expect(failure.hint).toMatch(/clock of this machine is 3[56]\d\d s behind/);
    expect(failure.details?.clockSkewMs).toBeGreaterThan(3_500_000);
  });

  test('never repeats a key or a signature', async () => {
    const store = await answering(({ headers }, response) =>
      fail(response, 403, 'AuthenticationFailed', { text: `The MAC signature ${headers.authorization}` }),
    );
    const failure = await listAll(store).catch((error: unknown) => error);
    const everything = JSON.stringify([errorToData(failure), String(failure), (failure as Error).cause]);
    expect(everything).not.toContain(ACCOUNT_KEY);
    expect(JSON.stringify(errorToData(failure).details)).not.toContain('SharedKey');
    expect((failure as Error).cause).not.toHaveProperty('request');
  });
});

describe('a listing', () => {
  test('follows its pages lazily, empty ones too, and leaves out what is below no blob', async () => {
    const pages = [
      listing([{ name: 'db/a', metadata: { litestreamtimestamp: '2026-01-02T03:04:05.678901234Z' } }], 'p2'),
      listing([], 'p3'),
      listing([{ name: 'db/dir', size: 0, metadata: { hdi_isfolder: 'true' } }, { name: 'db/e' }, { name: 'elsewhere' }]),
    ];
    const store = await answering((_, response, nth) => list(response, pages[nth - 1] ?? ''));
    const objects = await listAll(store, 'db/');
    expect(objects).toEqual([
      { key: 'db/a', size: 3, createdAt: Date.parse('2026-01-02T03:04:05.678Z') },
      { key: 'db/e', size: 3, createdAt: Date.parse('2025-07-01T10:00:00Z'), exactTime: false },
    ]);
    expect(service.asked.map(({ url }) => new URL(url, 'http://x').searchParams.get('marker'))).toEqual([null, 'p2', 'p3']);
    const first = new URL(service.asked[0]?.url ?? '', 'http://x').searchParams;
    expect([first.get('include'), first.get('prefix'), first.get('delimiter')]).toEqual(['metadata', 'db/', null]);
    expect(service.asked[0]?.headers['user-agent']).toMatch(/^litestream /);
  });

  test('asks the service to begin at a key, and filters all the same, because that includes the key', async () => {
    const store = await answering((_, response) => list(response, listing([{ name: 'db/a' }, { name: 'db/b' }, { name: 'db/c' }])));
    expect(await listKeys(store, 'db/', 'db/b')).toEqual(['db/c']);
    expect(new URL(service.asked[0]?.url ?? '', 'http://x').searchParams.get('startFrom')).toBe('db/b');
  });

  test('asks without it where the service refuses the parameter, and remembers that', async () => {
    const store = await answering(({ url }, response) => {
      if (url.includes('startFrom')) fail(response, 400, 'UnsupportedQueryParameter');
      else list(response, listing([{ name: 'db/a' }, { name: 'db/b' }]));
    });
    expect(await listKeys(store, 'db/', 'db/a')).toEqual(['db/b']);
    expect(await listKeys(store, 'db/', 'db/a')).toEqual(['db/b']);
    expect(service.asked).toHaveLength(3);
  });

  test('that names the same page again and again is RESPONSE_INVALID', async () => {
    const store = await answering((_, response) => list(response, listing([], 'same')));
    await expect(listAll(store)).rejects.toMatchObject({ code: 'RESPONSE_INVALID' });
  });
});

describe('a deletion', () => {
  const keys = Array.from({ length: 300 }, (_, i) => `db/${String(i).padStart(3, '0')}`);

  /** Answers a batch: the numbers of `denied` are refused, those of `missing` are not there. */
  function answerBatch(body: Buffer, denied: (key: string) => boolean): string {
    const names = [...body.toString().matchAll(/^DELETE (\S+) HTTP/gm)].map(([, path]) =>
      decodeURIComponent(path ?? '')
        .replace(/^.*\/box\//, '')
        .replace(/\?.*/, ''),
    );
    const parts = names.map((name, i) => {
      const status = denied(name) ? 'HTTP/1.1 403 Forbidden\r\nx-ms-error-code: AuthorizationPermissionMismatch' : 'HTTP/1.1 202 Accepted';
      return `--batch\r\nContent-Type: application/http\r\nContent-ID: ${i}\r\n\r\n${status}\r\nx-ms-request-id: r${i}\r\n\r\n`;
    });
    return `${parts.join('')}--batch--`;
  }

  test('that fails for some keys tries all the others, and names the ones that are left', async () => {
    const denied = (key: string) => key === 'db/003' || key === 'db/299';
    const store = await answering(({ url, body }, response) => {
      if (url.includes('comp=batch')) {
        response.writeHead(202, { ...MARKS, 'content-type': 'multipart/mixed; boundary=batch' }).end(answerBatch(body, denied));
      } else fail(response, 403, 'AuthorizationPermissionMismatch');
    });
    const failure = await store.delete(keys).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'ACCESS_DENIED', details: { failed: ['db/003', 'db/299'] } });
    expect((failure as Error).message).toContain('db/003');
    // Two batches, and one more request for each key that was refused.
    expect(service.asked).toHaveLength(4);
  });

  test('goes one by one where batches are not permitted or unknown, and remembers that', async () => {
    for (const [status, code] of [
      [403, 'AuthorizationPermissionMismatch'],
      [501, 'NotImplemented'],
      [405, 'UnsupportedHttpVerb'],
    ] as const) {
      const store = await answering(({ url }, response) => {
        if (url.includes('comp=batch')) fail(response, status, code);
        else response.writeHead(202, MARKS).end();
      });
      await store.delete(keys);
      await store.delete(keys.slice(0, 20));
      const batches = service.asked.filter(({ url }) => url.includes('comp=batch'));
      expect(batches.length, code).toBe(1);
      expect(service.asked.filter(({ method }) => method === 'DELETE')).toHaveLength(320);
    }
  });

  test('of few keys costs one request each', async () => {
    const store = await answering((_, response) => response.writeHead(202, MARKS).end());
    await store.delete(keys.slice(0, 3));
    expect(service.asked.map(({ method }) => method)).toEqual(['DELETE', 'DELETE', 'DELETE']);
  });
});

describe('a replacement', () => {
  test('whose version is gone, or is none the service knows, is PRECONDITION_FAILED', async () => {
    for (const [status, code] of [
      [404, 'BlobNotFound'],
      [400, 'InvalidHeaderValue'],
      [412, 'ConditionNotMet'],
    ] as const) {
      const store = await answering((_, response) => fail(response, status, code));
      await expect(store.put('db/a', bytesBody(patternBytes(3)), { ifMatch: '"0x0"' }), code).rejects.toMatchObject({
        code: 'PRECONDITION_FAILED',
      });
    }
  });

  test('sends its condition, its time and no access tier', async () => {
    const store = await answering((_, response) => created(response));
    const info = await store.put('db/a', bytesBody(patternBytes(3)), { ifMatch: '"0x1"', createdAt: 1_767_225_600_123 });
    expect(info).toEqual({ key: 'db/a', size: 3, createdAt: 1_767_225_600_123, tag: '"0x2"' });
    const headers = service.asked[0]?.headers ?? {};
    expect(headers['if-match']).toBe('"0x1"');
    expect(headers['x-ms-meta-litestreamtimestamp']).toBe('2026-01-01T00:00:00.123Z');
    expect(Object.keys(headers).filter((name) => name.includes('tier'))).toEqual([]);
  });
});

unreachableServices(
  (url) =>
    new AzureStore({
      type: 'abs',
      bucket: 'box',
      path: '',
      endpoint: `${url}/account`,
      accountName: 'account',
      credentials: { accountKey: ACCOUNT_KEY },
    }),
);
