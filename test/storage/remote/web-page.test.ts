/** Pages for people in the place of a refusal by the service. Sockets on loopback. */

import { createServer, type Server } from 'node:http';
import { afterEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { openStore } from '../../../src/storage/registry.ts';
import type { StoreSpec } from '../../../src/storage/spec.ts';

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function refusing(status: number, head: Record<string, string>, body: string): Promise<number> {
  const listening = createServer((request, response) => {
    request.resume();
    response.writeHead(status, head).end(request.method === 'HEAD' ? undefined : body);
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const address = listening.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

const keys = { accessKeyID: 'key', secretAccessKey: 'secret', accessKeySecret: 'secret' };
const SPECS: Readonly<Record<'s3' | 'oss' | 'abs' | 'gs', (endpoint: string) => StoreSpec>> = {
  s3: (endpoint) => ({ type: 's3', bucket: 'bucket', path: 'p', endpoint, region: 'r', forcePathStyle: true, credentials: keys }),
  oss: (endpoint) => ({ type: 'oss', bucket: 'bucket', path: 'p', endpoint, region: 'cn-hangzhou', credentials: keys }),
  abs: (endpoint) => ({
    type: 'abs',
    bucket: 'bucket',
    path: 'p',
    endpoint: `${endpoint}/acct`,
    accountName: 'acct',
    credentials: { accountKey: 'a2V5' },
  }),
  gs: (endpoint) => ({ type: 'gs', bucket: 'bucket', path: 'p', endpoint }),
};

const CALLS: Readonly<Record<string, (store: ObjectStore) => Promise<unknown>>> = {
  list: async (store) => {
    for await (const _ of store.list('')) break;
  },
  open: (store) => store.open('k'),
  stat: (store) => store.stat('k'),
  put: (store) => store.put('k', bytesBody(Buffer.from('x'))),
  delete: (store) => store.delete(['k']),
};

async function failureOf(store: ObjectStore, call: string): Promise<LitestreamError> {
  const error = await CALLS[call]?.(store).catch((thrown: unknown) => thrown);
  if (error instanceof LitestreamError) return error;
  throw new Error(`${call} did not fail as it should`, { cause: error });
}

describe.each([401, 403])('a web page that answers %i is not the service, whatever it refuses', (status) => {
  test.each(Object.keys(SPECS) as (keyof typeof SPECS)[])('%s', async (type) => {
    const page = '<!DOCTYPE html><html><head><title>x</title></head><body>Please log in</body></html>';
    const port = await refusing(status, { 'content-type': 'text/html; charset=utf-8' }, page);
    const store = await openStore(SPECS[type](`http://127.0.0.1:${port}`));
    for (const call of Object.keys(CALLS)) {
      const failure = await failureOf(store, call);
      expect([call, failure.code]).toEqual([call, 'RESPONSE_INVALID']);
      expect(failure.hint).toMatch(/endpoint/);
      expect(failure.hint).not.toMatch(/key/i);
      expect(failure.message).toContain(`127.0.0.1:${port}`);
    }
    expect((await failureOf(store, 'list')).message).toContain('Please log in');
    await store.close();
  });
});

test('Azure refusing a network is told as such, apart from a right that is missing', async () => {
  const answer = async (code: string): Promise<LitestreamError> => {
    const head = { 'x-ms-error-code': code, 'x-ms-request-id': 'R', 'content-type': 'application/xml' };
    const port = await refusing(403, head, `<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`);
    const store = await openStore(SPECS.abs(`http://127.0.0.1:${port}`));
    const failure = await failureOf(store, 'list');
    await store.close();
    server?.close();
    return failure;
  };
  const outside = await answer('AuthorizationFailure');
  expect(outside).toMatchObject({ code: 'ACCESS_DENIED', details: { provider: 'AuthorizationFailure' } });
  expect(outside.hint).toMatch(/firewall.*private endpoint.*another account/);
  expect((await answer('AuthorizationPermissionMismatch')).hint).toMatch(/^Give the principal the role/);
});
