import { execFileSync } from 'node:child_process';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConnectionOptions, credsAuthenticator, nkeyAuthenticator, nkeys } from 'nats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorToData } from '../../../src/base/errors.ts';
import { NATSStore } from '../../../src/storage/nats/nats.ts';
import type { NATSStoreSpec } from '../../../src/storage/spec.ts';
import { describeWith } from '../../support/services.ts';
import { getBytes, patternBytes, putBytes } from '../contract/bodies.ts';
import { testBucket } from './buckets.ts';
import { makeIdentities, seedOf } from './identities.ts';
import { TestServer } from './server.ts';

describe('ways of logging in', () => {
  const open = (spec: Partial<NATSStoreSpec>) =>
    new NATSStore({ type: 'nats', servers: ['nats://127.0.0.1:1'], bucket: 'b', path: '', ...spec }).stat('k');

  test('more than one is refused, with their names', async () => {
    await expect(open({ credsFile: '/x.creds', credentials: { token: 'abcdefgh' } })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/creds, token/),
    });
  });

  test('half of one is refused, with what is missing', async () => {
    await expect(open({ credentials: { jwt: 'abc' } })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/jwt is given without seed/),
    });
    await expect(open({ username: 'me' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/username is given without password/),
    });
    await expect(open({ clientKey: '/k.pem' })).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(/client-key is given without client-cert/),
    });
  });

  test('a file that cannot be read is named', async () => {
    await expect(open({ credsFile: '/no/such.creds' })).rejects.toMatchObject({
      code: 'CREDENTIALS_INVALID',
      message: expect.stringMatching(/\/no\/such\.creds/),
    });
    await expect(open({ rootCAs: ['/no/such.pem'] })).rejects.toMatchObject({
      code: 'CREDENTIALS_INVALID',
      message: expect.stringMatching(/\/no\/such\.pem/),
    });
  });

  test('a name that no bucket can have is refused', () => {
    for (const bucket of ['', 'a.b', 'a/b', 'a b', 'a>'])
      expect(() => new NATSStore({ type: 'nats', servers: [], bucket, path: '' })).toThrow(/cannot be the name/);
  });
});

describeWith('nats', 'logging in to nats-server', () => {
  let server: TestServer;
  const stores: NATSStore[] = [];
  beforeEach(async () => {
    server = await TestServer.create();
  });
  afterEach(async () => {
    for (const store of stores.splice(0)) await store.close();
    await server.remove();
  });

  function store(bucket: string, spec: Partial<NATSStoreSpec>): NATSStore {
    const made = new NATSStore({ type: 'nats', servers: [server.url], bucket, path: '', timeoutMs: 20_000, ...spec });
    stores.push(made);
    return made;
  }

  async function bucketNamed(options: ConnectionOptions = {}): Promise<string> {
    const bucket = await testBucket({ servers: server.url, ...options });
    await bucket.connection.close();
    return bucket.name;
  }

  async function works(opened: NATSStore): Promise<void> {
    await putBytes(opened, 'ltx/0/a', patternBytes(1000), 1_767_225_600_123);
    expect(Buffer.compare(await getBytes(opened, 'ltx/0/a'), patternBytes(1000))).toBe(0);
  }

  const codeOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => 'done',
      (error: unknown) => errorToData(error).code,
    );

  async function isRefused(opened: NATSStore, secret: string): Promise<void> {
    const error: unknown = await opened.stat('k').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'CREDENTIALS_INVALID', hint: expect.any(String) });
    expect(JSON.stringify(errorToData(error))).not.toContain(secret);
  }

  test('with jwt and seed, or with the file that holds both', async () => {
    const { config, userJWT, userSeed, creds } = makeIdentities();
    const credsFile = server.write('user.creds', creds);
    await server.start(config);
    const bucket = await bucketNamed({ authenticator: credsAuthenticator(Buffer.from(creds)) });
    await works(store(bucket, { credentials: { jwt: userJWT, seed: userSeed } }));
    await works(store(bucket, { credsFile }));
    const stranger = makeIdentities();
    await isRefused(store(bucket, { credentials: { jwt: stranger.userJWT, seed: stranger.userSeed } }), stranger.userSeed);
    await isRefused(store(bucket, {}), 'nothing');
  });

  test('with a creds file that is replaced: a refusal ends without a restart', async () => {
    const { config, creds } = makeIdentities();
    const credsFile = server.write('user.creds', makeIdentities().creds);
    await server.start(config);
    const bucket = await bucketNamed({ authenticator: credsAuthenticator(Buffer.from(creds)) });
    const opened = store(bucket, { credsFile });
    await expect(opened.stat('k')).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
    await writeFile(`${credsFile}.new`, creds);
    await rename(`${credsFile}.new`, credsFile);
    await works(opened);
  });

  test('with an nkey', async () => {
    const user = nkeys.createUser();
    await server.start(`authorization { users: [ { nkey: ${user.getPublicKey()} } ] }`);
    const bucket = await bucketNamed({ authenticator: nkeyAuthenticator(user.getSeed()) });
    await works(store(bucket, { credentials: { nkey: seedOf(user) } }));
    const other = seedOf(nkeys.createUser());
    await isRefused(store(bucket, { credentials: { nkey: other } }), other);
    await isRefused(store(bucket, { credentials: { nkey: 'not a seed at all' } }), 'not a seed at all');
  });

  test('with user and password', async () => {
    await server.start('authorization { user: litestream, password: "pass-word-1" }');
    const bucket = await bucketNamed({ user: 'litestream', pass: 'pass-word-1' });
    await works(store(bucket, { username: 'litestream', credentials: { password: 'pass-word-1' } }));
    await isRefused(store(bucket, { username: 'litestream', credentials: { password: 'pass-word-2' } }), 'pass-word-2');
  });

  test('with a token', async () => {
    await server.start('authorization { token: "token-of-mine" }');
    const bucket = await bucketNamed({ token: 'token-of-mine' });
    await works(store(bucket, { credentials: { token: 'token-of-mine' } }));
    await isRefused(store(bucket, { credentials: { token: 'token-of-others' } }), 'token-of-others');
  });

  describe('over TLS', () => {
    /** Key and certificate by the authority `ca`. */
    function certificate(name: string, ca: string | undefined, extension: string): void {
      const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: server.directory, stdio: 'pipe' });
      openssl('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
      writeExtension(extension);
      const issuer = ca === undefined ? ['-signkey', `${name}.key`] : ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial'];
      openssl('x509', '-req', '-in', `${name}.csr`, ...issuer, '-days', '2', '-extfile', 'extension', '-out', `${name}.pem`);
    }
    const writeExtension = (extension: string) => server.write('extension', extension);
    const path = (name: string) => join(server.directory, name);
    const tlsConfig = (name: string, more = '') =>
      `tls { cert_file: "${path(`${name}.pem`)}", key_file: "${path(`${name}.key`)}"\n${more} }`;

    beforeEach(() => {
      certificate('ca', undefined, 'basicConstraints=critical,CA:TRUE');
      certificate('other-ca', undefined, 'basicConstraints=critical,CA:TRUE');
      certificate('server', 'ca', 'subjectAltName=DNS:localhost,IP:127.0.0.1');
    });

    test('with several authorities, by name and by address, implied by the authorities or by the scheme', async () => {
      await server.start(tlsConfig('server'));
      const tls = { ca: execFileSync('cat', [path('ca.pem')], { encoding: 'utf8' }) };
      const bucket = await bucketNamed({ servers: `localhost:${server.port}`, tls });
      const rootCAs = [path('other-ca.pem'), path('ca.pem')];
      await works(store(bucket, { rootCAs }));
      await works(store(bucket, { servers: [`nats://localhost:${server.port}`], tls: true, rootCAs }));
      await works(store(bucket, { servers: [`tls://localhost:${server.port}`], rootCAs }));
      const untrusted = { code: 'ENDPOINT_UNTRUSTED' };
      await expect(store(bucket, { rootCAs: [path('other-ca.pem')] }).stat('k')).rejects.toMatchObject(untrusted);
      await expect(store(bucket, { tls: true }).stat('k')).rejects.toMatchObject(untrusted);
      await expect(store(bucket, {}).stat('k')).rejects.toMatchObject(untrusted);
    });

    test('only with the name the certificate was made for', async () => {
      certificate('elsewhere', 'ca', 'subjectAltName=DNS:nats.example.com');
      await server.start(tlsConfig('elsewhere'));
      for (const host of ['127.0.0.1', 'localhost']) {
        const opened = store('b', { servers: [`nats://${host}:${server.port}`], rootCAs: [path('ca.pem')] });
        await expect(opened.stat('k'), host).rejects.toMatchObject({ code: 'ENDPOINT_UNTRUSTED' });
      }
    });

    test('with a client certificate where the server wants one', async () => {
      certificate('client', 'ca', 'extendedKeyUsage=clientAuth');
      certificate('stranger', 'other-ca', 'extendedKeyUsage=clientAuth');
      await server.start(tlsConfig('server', `ca_file: "${path('ca.pem')}"\nverify: true`));
      const read = (name: string) => execFileSync('cat', [path(name)], { encoding: 'utf8' });
      const tls = { ca: read('ca.pem'), cert: read('client.pem'), key: read('client.key') };
      const bucket = await bucketNamed({ servers: `localhost:${server.port}`, tls });
      const rootCAs = [path('ca.pem')];
      await works(store(bucket, { rootCAs, clientCert: path('client.pem'), clientKey: path('client.key') }));
      const stranger = store(bucket, { rootCAs, clientCert: path('stranger.pem'), clientKey: path('stranger.key') });
      const nobody = store(bucket, { rootCAs });
      // The system of a busy machine may drop the server's reason when it resets the connection: then it comes with the next attempt.
      for (const one of [stranger, nobody]) await expect.poll(() => codeOf(one.stat('k')), { interval: 10 }).toBe('CREDENTIALS_INVALID');
    });

    test('never without it when it is demanded', async () => {
      await server.start();
      const error = await store('b', { tls: true })
        .stat('k')
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'ENDPOINT_UNTRUSTED', hint: expect.stringMatching(/offers no TLS/) });
    });
  });
});
