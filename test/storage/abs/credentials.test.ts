/** Every way of logging in to Azure: keys, SAS and connection strings against a real server, identities against scripted endpoints. */

import { createServer as createTLSServer } from 'node:https';
import { ContainerSASPermissions, generateBlobSASQueryParameters, StorageSharedKeyCredential } from '@azure/storage-blob';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { errorToData } from '../../../src/base/errors.ts';
import { forgetSecrets, redact } from '../../../src/base/redact.ts';
import { AzureStore } from '../../../src/storage/abs/abs.ts';
import { endpointOf } from '../../../src/storage/abs/client.ts';
import { azureError } from '../../../src/storage/abs/errors.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { openStore } from '../../../src/storage/registry.ts';
import type { AzureStoreSpec } from '../../../src/storage/spec.ts';
import { makeCertificate } from '../../support/certificate.ts';
import { listInProcess } from '../../support/list-process.ts';
import { ScriptedHTTP } from '../../support/scripted-http.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';
import { getBytes, listAll, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { makeContainer, type TestContainer } from './container.ts';
import { list, listing } from './scripted.ts';

describeWith('azure', 'azure, logged in to', () => {
  let address: ServiceAddresses['azure'];
  let container: TestContainer;
  beforeAll(async () => {
    address = await service('azure');
  }, SERVICE_START_MS);
  beforeEach(async () => {
    container = await makeContainer();
  });
  afterEach(async () => {
    forgetSecrets();
    await container.remove();
  });

  function sas(permissions: string, { expires = 3_600_000 } = {}): string {
    const now = Date.now();
    const values = {
      containerName: container.name,
      permissions: ContainerSASPermissions.parse(permissions),
      startsOn: new Date(now - 7_200_000),
      expiresOn: new Date(now + expires),
    };
    return generateBlobSASQueryParameters(values, new StorageSharedKeyCredential(address.accountName, address.accountKey)).toString();
  }

  /** Writes, reads, lists, replaces, deletes: few and many. */
  async function worksWith(spec: AzureStoreSpec): Promise<void> {
    const store = await openStore(spec);
    const bytes = patternBytes(5_000_000);
    const keys = Array.from({ length: 12 }, (_, i) => `db/ü ${i}`);
    for (const key of keys) await putBytes(store, key, patternBytes(10));
    await store.put('db/large', bytesBody(bytes), { ifAbsent: true });
    expect(Buffer.compare(await getBytes(store, 'db/large'), bytes)).toBe(0);
    expect(await listKeys(store, 'db/', 'db/large')).toEqual([...keys].sort());
    await store.delete([...keys, 'db/large', 'db/never']);
    expect(await listKeys(store)).toEqual([]);
    await store.close();
  }

  const bare = (): AzureStoreSpec => ({ type: 'abs', bucket: container.name, path: '', endpoint: address.endpoint });

  test('with the account key', () => worksWith(container.spec));

  test('with the account key, the name being in the endpoint', () =>
    worksWith({ ...bare(), credentials: { accountKey: address.accountKey } }));

  test('with a connection string, which wins over everything else', () =>
    worksWith({ ...bare(), credentials: { connectionString: address.connectionString, accountKey: 'd3Jvbmc=', sasToken: '?sig=wrong' } }));

  test('with a connection string that holds a SAS', () => {
    const connectionString = `BlobEndpoint=${address.endpoint};SharedAccessSignature=${sas('racwdl')}`;
    return worksWith({ ...bare(), credentials: { connectionString } });
  });

  test('with a SAS, with or without its question mark, which wins over a key', async () => {
    for (const sasToken of [sas('racwdl'), `?${sas('racwdl')}`, ` ?${sas('racwdl')}\n`]) {
      await worksWith({ ...bare(), credentials: { sasToken, accountKey: 'd3Jvbmc=' } });
    }
  });

  test('with a SAS that lacks a right: the operation is denied, and is never an empty answer', async () => {
    await putBytes(await openStore(container.spec), 'db/a', patternBytes(10));
    const readOnly = await openStore({ ...bare(), credentials: { sasToken: sas('rl') } });
    expect(await listKeys(readOnly)).toEqual(['db/a']);
    await expect(putBytes(readOnly, 'db/b', patternBytes(1))).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(readOnly.delete(['db/a'])).rejects.toMatchObject({ code: 'ACCESS_DENIED', details: { failed: ['db/a'] } });
    const keys = Array.from({ length: 20 }, (_, i) => `db/${i}`);
    await expect(readOnly.delete(keys)).rejects.toMatchObject({ details: { failed: keys } });
    const writeOnly = await openStore({ ...bare(), credentials: { sasToken: sas('wc') } });
    await putBytes(writeOnly, 'db/c', patternBytes(1));
    await expect(listAll(writeOnly)).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
    await expect(writeOnly.open('db/a')).rejects.toMatchObject({ code: 'ACCESS_DENIED' });
  });

  test('with what is no longer valid, or never was: said as such, without repeating it', async () => {
    const expired = sas('racwdl', { expires: -3_600_000 });
    const wrongKey = Buffer.from('this key is a wrong one, and secret').toString('base64');
    const forged = sas('racwdl').replace(/sig=[^&]+/, 'sig=forged%2Bsignature%3D');
    for (const credentials of [{ sasToken: expired }, { accountKey: wrongKey }, { sasToken: forged }]) {
      const store = await openStore({ ...bare(), accountName: address.accountName, credentials });
      const failure = await listAll(store).catch((error: unknown) => error);
      expect(['ACCESS_DENIED', 'CREDENTIALS_INVALID']).toContain(errorToData(failure).code);
      const text = redact(JSON.stringify(errorToData(failure)));
      for (const secret of [wrongKey, new URLSearchParams(expired).get('sig') ?? '-', 'forged+signature=', 'forged%2B'])
        expect(text).not.toContain(secret);
    }
  });

  test('a missing container is CONTAINER_NOT_FOUND for every operation', async () => {
    const store = await openStore({ ...container.spec, bucket: 'there-is-none' });
    const missing = { code: 'CONTAINER_NOT_FOUND' };
    await expect(listAll(store)).rejects.toMatchObject(missing);
    await expect(store.open('a')).rejects.toMatchObject(missing);
    await expect(store.stat('a')).rejects.toMatchObject(missing);
    await expect(putBytes(store, 'a', patternBytes(1))).rejects.toMatchObject(missing);
    await expect(store.put('a', bytesBody(Buffer.alloc(5_000_000)))).rejects.toMatchObject(missing);
    await expect(store.delete(['a'])).rejects.toMatchObject(missing);
    await expect(store.delete(Array.from({ length: 20 }, (_, i) => `${i}`))).rejects.toMatchObject(missing);
    await store.close();
  });
});

describe('settings that cannot be used', () => {
  const config = { code: 'CONFIG_INVALID' };

  test('are refused when the store is first used, without repeating them', async () => {
    const base: AzureStoreSpec = { type: 'abs', bucket: 'box', path: '' };
    const specs: readonly AzureStoreSpec[] = [
      base,
      { ...base, endpoint: 'no url', credentials: { accountKey: 'c2VjcmV0' } },
      { ...base, endpoint: 'http://127.0.0.1:1', credentials: { accountKey: 'c2VjcmV0' } },
      { ...base, accountName: 'a', credentials: { sasToken: 'sv=2024&very-secret' } },
      { ...base, credentials: { connectionString: 'very-secret nonsense' } },
      { ...base, credentials: { connectionString: 'AccountName=a;AccountKey=very-secret' } },
    ];
    for (const spec of specs) {
      const failure = await listAll(new AzureStore(spec)).catch((error: unknown) => error);
      expect(failure, JSON.stringify(spec)).toMatchObject(config);
      expect(JSON.stringify(errorToData(failure))).not.toContain('very-secret');
    }
    expect(() => new AzureStore({ ...base, bucket: '' })).toThrow(expect.objectContaining(config));
  });

  test('an endpoint is that of the account unless one is given', () => {
    expect(endpointOf({ type: 'abs', bucket: 'b', path: '', accountName: 'acc' })).toBe('https://acc.blob.core.windows.net');
    const sovereign = 'https://acc.blob.core.chinacloudapi.cn';
    expect(endpointOf({ type: 'abs', bucket: 'b', path: '', accountName: 'acc', endpoint: `${sovereign}/` })).toBe(sovereign);
  });
});

describe('identities of the environment', () => {
  let directory: TempDirectory;
  const servers: ScriptedHTTP[] = [];
  beforeEach(async () => {
    directory = await tempDirectory();
  });
  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
    await directory.remove();
  });

  test('a managed identity gives the token with which the container is listed', async () => {
    const certificate = makeCertificate(directory.path);
    const tokens = await ScriptedHTTP.start((_, response) => {
      const expires = Math.floor(Date.now() / 1000) + 7200;
      const token = {
        access_token: 'token-of-the-identity',
        expires_on: String(expires),
        resource: 'https://storage.azure.com/',
        token_type: 'Bearer',
      };
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(token));
    });
    const blobs = await ScriptedHTTP.start(
      ({ headers }, response) => {
        if (headers.authorization === 'Bearer token-of-the-identity') list(response, listing([{ name: 'db/a' }]));
        else response.writeHead(401).end();
      },
      createTLSServer({ key: certificate.key, cert: certificate.cert }),
    );
    servers.push(tokens, blobs);
    const answer = await listInProcess(
      { type: 'abs', bucket: 'box', path: '', endpoint: `https://127.0.0.1:${blobs.port}` },
      { IDENTITY_ENDPOINT: `${tokens.url}/msi/token`, IDENTITY_HEADER: 'secret-of-the-host', NODE_EXTRA_CA_CERTS: certificate.path },
    );
    expect(answer).toMatchObject({ keys: ['db/a'], packages: ['@azure/identity', '@azure/storage-blob'], stderr: '' });
    expect(tokens.asked[0]?.headers['x-identity-header']).toBe('secret-of-the-host');
  });

  test('an endpoint whose certificate nobody vouches for is ENDPOINT_UNTRUSTED, and is sent nothing', async () => {
    const certificate = makeCertificate(directory.path);
    const blobs = await ScriptedHTTP.start(
      (_, response) => response.end(),
      createTLSServer({ key: certificate.key, cert: certificate.cert }),
    );
    servers.push(blobs);
    const endpoint = `https://127.0.0.1:${blobs.port}`;
    const store = new AzureStore({
      type: 'abs',
      bucket: 'box',
      path: '',
      endpoint,
      accountName: 'a',
      credentials: { accountKey: 'c2VjcmV0' },
    });
    await expect(listAll(store)).rejects.toMatchObject({ code: 'ENDPOINT_UNTRUSTED' });
    expect(blobs.asked).toEqual([]);
    await store.close();
  });

  test('their package is loaded only for them, and no package of a cloud before it is used', async () => {
    expect((await listInProcess(null)).packages).toEqual([]);
    const answer = await listInProcess({
      type: 'abs',
      bucket: 'box',
      path: '',
      endpoint: 'http://127.0.0.1:1/account',
      credentials: { accountKey: 'c2VjcmV0' },
    });
    expect(answer).toMatchObject({ packages: ['@azure/storage-blob'], error: { code: 'STORAGE_UNAVAILABLE' }, stderr: '' });
  });

  test('a connection string that is none is refused before anything is sent', async () => {
    for (const connectionString of ['garbage', 'c2VjcmV0', 'https://account.blob.core.windows.net/box'])
      await expect(
        openStore({ type: 'abs', bucket: 'box', path: '', accountName: 'account', credentials: { connectionString } }).then((store) =>
          store.stat('k'),
        ),
        connectionString,
      ).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.not.stringContaining(connectionString) });
  });

  test('that give no token are CREDENTIALS_INVALID, unless their service fails', () => {
    const doing = { verb: 'list', key: '', container: 'box', endpoint: 'host' } as const;
    const named = (name: string, more = {}) => azureError(Object.assign(new Error('no'), { name, ...more }), doing);
    for (const name of ['CredentialUnavailableError', 'AggregateAuthenticationError', 'AuthenticationRequiredError']) {
      expect(named(name), name).toMatchObject({ code: 'CREDENTIALS_INVALID' });
    }
    const overHTTP = 'Bearer token authentication is not permitted for non-TLS protected (non-https) URLs.';
    expect(named('Error', { message: overHTTP })).toMatchObject({
      code: 'CREDENTIALS_INVALID',
      hint: expect.stringContaining('account-key'),
    });
    expect(named('AuthenticationError', { statusCode: 401 })).toMatchObject({ code: 'CREDENTIALS_INVALID' });
    expect(named('AuthenticationError', { statusCode: 503 })).toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
  });

  test('proxies of the environment are used', async () => {
    const proxy = await ScriptedHTTP.start((_, response) => list(response, listing([{ name: 'db/a' }])));
    servers.push(proxy);
    const spec: AzureStoreSpec = { type: 'abs', bucket: 'box', path: '', endpoint: 'http://account.invalid', accountName: 'account' };
    const answer = await listInProcess({ ...spec, credentials: { accountKey: 'c2VjcmV0' } }, { HTTP_PROXY: proxy.url });
    expect(answer).toMatchObject({ keys: ['db/a'], stderr: '' });
    expect(proxy.asked[0]?.headers.host).toBe('account.invalid');
  });
});
