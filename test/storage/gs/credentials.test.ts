/** Every way of logging in to Cloud Storage, with scripted endpoints in place of Google's; nothing of this leaves the machine. */

import { execFile } from 'node:child_process';
import { createVerify, generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { createServer as createTLSServer } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorToData } from '../../../src/base/errors.ts';
import { Credentials } from '../../../src/storage/gs/credentials.ts';
import { GCSStore } from '../../../src/storage/gs/gs.ts';
import type { GCSStoreSpec } from '../../../src/storage/spec.ts';
import { makeCertificate } from '../../support/certificate.ts';
import { listInProcess } from '../../support/list-process.ts';
import { type Script, ScriptedHTTP } from '../../support/scripted-http.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';
import { listAll, listKeys } from '../contract/bodies.ts';
import { fail, json, listing } from './scripted.ts';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const PRIVATE_KEY = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

let directory: TempDirectory;
const servers: ScriptedHTTP[] = [];
const stores: GCSStore[] = [];
beforeEach(async () => {
  directory = await tempDirectory();
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  for (const server of servers.splice(0)) await server.close();
  await directory.remove();
});

async function scripted(script: Script): Promise<ScriptedHTTP> {
  const server = await ScriptedHTTP.start(script);
  servers.push(server);
  return server;
}

/** A service that lists one object for whoever carries one of these tokens. */
const serviceFor = (...tokens: readonly string[]): Promise<ScriptedHTTP> =>
  scripted(({ headers }, response) => {
    if (tokens.some((token) => headers.authorization === `Bearer ${token}`)) json(response, 200, listing([{ name: 'db/a' }]));
    else fail(response, 401, 'authError');
  });

async function keyFile(content: object | string): Promise<string> {
  const path = join(directory.path, 'key.json');
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const serviceAccount = () =>
  keyFile({
    type: 'service_account',
    project_id: 'p',
    private_key_id: 'k',
    private_key: PRIVATE_KEY,
    client_email: 'sa@p.iam.gserviceaccount.com',
  });

/** Lets the library fetch its tokens from `server`, whose address is otherwise fixed. */
const tokensFrom = (server: ScriptedHTTP) => ({
  transporterOptions: {
    fetchImplementation: (url: string | URL | Request, init?: RequestInit) => fetch(`${server.url}/${new URL(String(url)).host}`, init),
  },
});

function open(spec: Partial<GCSStoreSpec>, clientOptions?: ConstructorParameters<typeof GCSStore>[1]): GCSStore {
  const store = new GCSStore({ type: 'gs', bucket: 'box', path: '', ...spec }, clientOptions);
  stores.push(store);
  return store;
}

describe('the key file of a service account', () => {
  test('gets a token with a statement that it has signed, once for many requests', async () => {
    const tokens = await scripted((_, response) =>
      json(response, 200, { access_token: 'token-1', expires_in: 3600, token_type: 'Bearer' }),
    );
    const service = await serviceFor('token-1');
    const store = open({ endpoint: service.url, keyFile: await serviceAccount() }, tokensFrom(tokens));
    for (let i = 0; i < 3; i++) expect(await listKeys(store)).toEqual(['db/a']);
    expect(tokens.asked.map(({ method, url }) => `${method} ${url}`)).toEqual(['POST /oauth2.googleapis.com']);
    const statement = new URLSearchParams(tokens.asked[0]?.body.toString()).get('assertion') ?? '';
    const [head = '', claims = '', signature = ''] = statement.split('.');
    expect(createVerify('sha256').update(`${head}.${claims}`).verify(publicKey, signature, 'base64url')).toBe(true);
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({ iss: 'sa@p.iam.gserviceaccount.com' });
  });

  test('is read and used anew when the service no longer takes its token', async () => {
    let issued = 0;
    const tokens = await scripted((_, response) =>
      json(response, 200, { access_token: `token-${++issued}`, expires_in: 3600, token_type: 'Bearer' }),
    );
    const service = await serviceFor('token-2');
    const store = open({ endpoint: service.url, keyFile: await serviceAccount() }, tokensFrom(tokens));
    expect(await listKeys(store)).toEqual(['db/a']);
    expect(service.asked.map(({ headers }) => headers.authorization)).toEqual(['Bearer token-1', 'Bearer token-2']);
  });

  test('that is refused is CREDENTIALS_INVALID before any request, with the cause in words and no key in them', async () => {
    const table: readonly (readonly [status: number, body: object, code: string, word: RegExp])[] = [
      [400, { error: 'invalid_grant', error_description: 'Invalid grant: account not found' }, 'CREDENTIALS_INVALID', /invalid_grant/],
      [
        400,
        {
          error: 'invalid_grant',
          error_description:
            'Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values in the JWT claim.',
        },
        'CREDENTIALS_INVALID',
        /clock/,
      ],
      [401, { error: 'unauthorized_client' }, 'CREDENTIALS_INVALID', /unauthorized_client/],
    ];
    for (const [status, body, code, word] of table) {
      const tokens = await scripted((_, response) => json(response, status, body));
      const service = await serviceFor('any');
      const store = open({ endpoint: service.url, keyFile: await serviceAccount() }, tokensFrom(tokens));
      const failure = errorToData(await listAll(store).catch((error: unknown) => error));
      expect(failure.code).toBe(code);
      expect(`${failure.message} ${failure.hint}`).toMatch(word);
      expect(JSON.stringify(failure)).not.toContain('PRIVATE KEY');
      expect(service.asked).toEqual([]);
    }
  });

  test('whose tokens cannot be had for the moment is STORAGE_UNAVAILABLE', async () => {
    const tokens = await scripted((_, response) => json(response, 503, {}));
    const store = open({ endpoint: 'http://127.0.0.1:1', keyFile: await serviceAccount() }, tokensFrom(tokens));
    await expect(listAll(store)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    const unreachable = {
      transporterOptions: { fetchImplementation: () => Promise.reject(Object.assign(new Error('no'), { code: 'ECONNREFUSED' })) },
    };
    const cut = open({ endpoint: 'http://127.0.0.1:1', keyFile: await serviceAccount() }, unreachable);
    await expect(listAll(cut)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('that is missing or damaged is CREDENTIALS_INVALID and named, its content not; when it is there again it works', async () => {
    const tokens = await scripted((_, response) =>
      json(response, 200, { access_token: 'token-1', expires_in: 3600, token_type: 'Bearer' }),
    );
    const service = await serviceFor('token-1');
    const path = join(directory.path, 'key.json');
    const store = open({ endpoint: service.url, keyFile: path }, tokensFrom(tokens));
    const failing = async () => errorToData(await listAll(store).catch((error: unknown) => error));
    expect(await failing()).toMatchObject({ code: 'CREDENTIALS_INVALID', message: expect.stringContaining(path) });
    for (const content of ['very-secret and no JSON', '{"very-secret":', '{"type":"service_account"}', '[]', '']) {
      await keyFile(content);
      const failure = await failing();
      expect(failure, content).toMatchObject({ code: 'CREDENTIALS_INVALID' });
      expect(JSON.stringify(failure)).not.toContain('very-secret');
    }
    await serviceAccount();
    expect(await listKeys(store)).toEqual(['db/a']);
  });

  test('is never used over an unencrypted connection to another machine', async () => {
    const spec = { endpoint: 'http://storage.example.com', keyFile: await serviceAccount() };
    expect(() => open(spec)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

test('the key file of a workload identity exchanges its own token, without a word on the console', async () => {
  const sts = await scripted((_, response) =>
    json(response, 200, {
      access_token: 'federated',
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 3600,
    }),
  );
  const service = await serviceFor('federated');
  const subject = join(directory.path, 'subject');
  await writeFile(subject, 'subject-token');
  const path = await keyFile({
    type: 'external_account',
    audience: '//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${sts.url}/v1/token`,
    credential_source: { file: subject },
  });
  const answer = await listInProcess({ type: 'gs', bucket: 'box', path: '', endpoint: service.url, keyFile: path });
  expect(answer).toMatchObject({ keys: ['db/a'], packages: ['@google-cloud/storage'], stderr: '' });
  expect(new URLSearchParams(sts.asked[0]?.body.toString()).get('subject_token')).toBe('subject-token');
});

describe('an emulator', () => {
  test('is asked without credentials, those of the environment included', async () => {
    const service = await scripted((_, response) => json(response, 200, listing([{ name: 'db/a' }])));
    const environment = { GOOGLE_APPLICATION_CREDENTIALS: await serviceAccount() };
    const answer = await listInProcess({ type: 'gs', bucket: 'box', path: '', endpoint: `${service.url}/` }, environment);
    expect(answer).toMatchObject({ keys: ['db/a'], stderr: '' });
    expect(service.asked[0]?.headers.authorization).toBeUndefined();
    expect(service.asked[0]?.url).toMatch(/^\/storage\/v1\/b\/box\/o\?/);
  });

  test('is found by STORAGE_EMULATOR_HOST, with or without a scheme in an endpoint that wins over it', async () => {
    const service = await scripted((_, response) => json(response, 200, listing([{ name: 'db/a' }])));
    const answer = await listInProcess({ type: 'gs', bucket: 'box', path: '' }, { STORAGE_EMULATOR_HOST: service.url });
    expect(answer).toMatchObject({ keys: ['db/a'], stderr: '' });
    expect(service.asked[0]?.url).toMatch(/^\/storage\/v1\/b\/box\/o\?/);
    const other = await listInProcess(
      { type: 'gs', bucket: 'box', path: '', endpoint: service.url },
      { STORAGE_EMULATOR_HOST: 'http://127.0.0.1:1' },
    );
    expect(other).toMatchObject({ keys: ['db/a'] });
  });
});

describe('default credentials', () => {
  const CHILD = fileURLToPath(new URL('./headers-child.ts', import.meta.url));

  async function headersWith(
    environment: Readonly<Record<string, string>>,
  ): Promise<{ readonly answer: unknown; readonly stderr: string }> {
    const env = { PATH: process.env.PATH ?? '', HOME: directory.path, ...environment };
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [CHILD], { env, timeout: 60_000 });
    return { answer: JSON.parse(stdout), stderr };
  }

  test('come from the metadata server of the machine', async () => {
    const metadata = await scripted(({ url }, response) => {
      const flavour = { 'metadata-flavor': 'Google' };
      if (url.includes('/token'))
        json(response, 200, { access_token: 'token-of-the-machine', expires_in: 3600, token_type: 'Bearer' }, flavour);
      else if (url.includes('universe')) response.writeHead(200, flavour).end('googleapis.com');
      else response.writeHead(200, flavour).end('ok');
    });
    // Where a service runs for sure, the library waits for its metadata for more than three seconds.
    const { answer, stderr } = await headersWith({ GCE_METADATA_HOST: `127.0.0.1:${metadata.port}`, K_SERVICE: 'a service' });
    expect(answer).toMatchObject({ endpoint: 'https://storage.googleapis.com', headers: { authorization: 'Bearer token-of-the-machine' } });
    expect(stderr).toBe('');
  });

  test('that are named and missing are CREDENTIALS_INVALID', async () => {
    const { answer, stderr } = await headersWith({ GOOGLE_APPLICATION_CREDENTIALS: join(directory.path, 'none.json') });
    expect(answer).toMatchObject({ code: 'CREDENTIALS_INVALID', hint: expect.stringContaining('GOOGLE_APPLICATION_CREDENTIALS') });
    expect(stderr).toBe('');
  });

  test('that nobody has are CREDENTIALS_INVALID, with the ways to have some', async () => {
    const { answer, stderr } = await headersWith({ METADATA_SERVER_DETECTION: 'none' });
    expect(answer).toMatchObject({ code: 'CREDENTIALS_INVALID', hint: expect.stringContaining('gcloud auth application-default login') });
    expect(stderr).toBe('');
  });

  test('are for Google alone: other hosts are asked without any', async () => {
    for (const endpoint of ['https://storage.example.com', 'https://googleapis.com.example.com', 'http://127.0.0.1:4443']) {
      const credentials = new Credentials({ type: 'gs', bucket: 'box', path: '', endpoint });
      expect(await credentials.headers(`${endpoint}/storage/v1/b/box/o`, undefined)).toEqual({});
      expect(credentials.renew()).toBe(false);
    }
    const google = new Credentials({ type: 'gs', bucket: 'box', path: '', endpoint: 'https://restricted.googleapis.com' });
    expect(google.renew()).toBe(true);
  });
});

test('settings that cannot be used are refused', () => {
  for (const spec of [{ bucket: '' }, { endpoint: 'ftp://host' }, { endpoint: 'no url' }]) {
    expect(() => open(spec), JSON.stringify(spec)).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  }
});

test('an endpoint whose certificate nobody vouches for is ENDPOINT_UNTRUSTED, and is sent nothing', async () => {
  const { key, cert } = makeCertificate(directory.path);
  const server = await ScriptedHTTP.start((_, response) => response.end(), createTLSServer({ key, cert }));
  servers.push(server);
  await expect(listAll(open({ endpoint: `https://127.0.0.1:${server.port}` }))).rejects.toMatchObject({ code: 'ENDPOINT_UNTRUSTED' });
  expect(server.asked).toEqual([]);
});

test('proxies of the environment are used, and left out for the hosts in NO_PROXY', async () => {
  const proxy = await scripted((_, response) => json(response, 200, listing([{ name: 'db/a' }])));
  const spec: GCSStoreSpec = { type: 'gs', bucket: 'box', path: '', endpoint: 'http://storage.invalid' };
  expect(await listInProcess(spec, { HTTP_PROXY: proxy.url })).toMatchObject({ keys: ['db/a'], stderr: '' });
  expect(proxy.asked[0]?.url).toMatch(/^http:\/\/storage\.invalid\/storage\/v1\/b\/box\/o\?/);
  const direct = await listInProcess(spec, { HTTP_PROXY: proxy.url, NO_PROXY: 'storage.invalid' });
  expect(direct).toMatchObject({ error: { code: 'STORAGE_UNAVAILABLE' } });
});
