import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Login } from '../../../src/storage/webdav/auth.ts';
import { WebDAVStore } from '../../../src/storage/webdav/webdav.ts';
import { endProcesses } from '../../../tools/services/process.ts';
import { accepts, freePort, Room } from '../../../tools/services/room.ts';
import { available, SERVICE_START_MS } from '../../support/services.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';
import { chunkedBody, getBytes, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { MemoryDAV } from './memory-dav.ts';

const ends: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

describe('the Authorization header', () => {
  const MUFASA = ['Mufasa', 'Circle of Life'] as const;
  const field = (header: string | undefined, name: string) => new RegExp(`${name}="?([^",]+)`).exec(header ?? '')?.[1] ?? '';

  test('is the one of the examples of RFC 7616, for MD5 and SHA-256, the stronger of both', () => {
    const nonce = '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v';
    const challenge = (algorithm: string) =>
      `Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=${algorithm}, nonce="${nonce}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`;
    for (const [offered, algorithm, hash] of [
      [[challenge('MD5')], 'MD5', 'md5'],
      [[challenge('MD5'), challenge('SHA-256')], 'SHA-256', 'sha256'],
      [[`Basic realm="x", ${challenge('SHA-512-256')}, ${challenge('MD5')}`], 'MD5', 'md5'],
    ] as const) {
      const login = new Login(...MUFASA, false);
      expect(login.header('GET', '/')).toBeUndefined();
      expect(login.learn(offered, undefined)).toBe(true);
      const header = login.header('GET', '/dir/index.html');
      const sum = (text: string) => createHash(hash).update(text).digest('hex');
      const expected = sum(
        [
          sum('Mufasa:http-auth@example.org:Circle of Life'),
          nonce,
          '00000001',
          field(header, 'cnonce'),
          'auth',
          sum('GET:/dir/index.html'),
        ].join(':'),
      );
      expect(field(header, 'algorithm')).toBe(algorithm);
      expect(field(header, 'response')).toBe(expected);
      expect(header).toContain('opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"');
      expect(field(login.header('GET', '/'), 'nc')).toBe('00000002');
    }
  });

  test('knows servers without qop, session variants, and quotes in names', () => {
    const old = new Login('o"n', 'p', false);
    old.learn(['Digest realm="a\\"b",nonce="n"'], undefined);
    const header = old.header('PUT', '/x') ?? '';
    expect(header).toContain('username="o\\"n"');
    expect(header).not.toContain('qop');
    const sum = (text: string) => createHash('md5').update(text).digest('hex');
    expect(field(header, 'response')).toBe(sum(`${sum('o"n:a"b:p')}:n:${sum('PUT:/x')}`));
    const session = new Login('u', 'p', false);
    session.learn(['Digest realm="r", nonce="n", qop=auth, algorithm=MD5-sess'], undefined);
    const second = session.header('PUT', '/x');
    const first = sum(`${sum('u:r:p')}:n:${field(second, 'cnonce')}`);
    expect(field(second, 'response')).toBe(sum(`${first}:n:00000001:${field(second, 'cnonce')}:auth:${sum('PUT:/x')}`));
  });

  test('is Basic at once over TLS only, and never repeated in vain', () => {
    const secure = new Login('u', 'p', true);
    const sent = secure.header('GET', '/');
    expect(sent).toBe(`Basic ${Buffer.from('u:p').toString('base64')}`);
    expect(secure.learn(['Basic realm="x"'], sent)).toBe(false);
    const open = new Login('u', 'p', false);
    expect(open.header('GET', '/')).toBeUndefined();
    expect(open.learn(['Basic realm="x"'], undefined)).toBe(true);
    expect(open.learn(['Bearer realm="x"', 'Negotiate'], undefined)).toBe(false);
    expect(open.learn(['Digest realm="r", nonce="n", qop="auth-int"'], 'Basic x')).toBe(false);
  });
});

describe('logging in by WebDAV', () => {
  async function guarded(challenge: string, isGood: (authorization: string, method: string) => boolean) {
    const server = await MemoryDAV.start({
      override: ({ method, headers }, response) => {
        if (isGood(headers.authorization ?? '', method)) return false;
        response.writeHead(401, { 'WWW-Authenticate': challenge, 'Content-Length': '0' }).end();
        return true;
      },
    });
    ends.push(() => server.http.close());
    const store = new WebDAVStore({
      type: 'webdav',
      endpoint: server.endpoint,
      path: 'r',
      user: 'u',
      credentials: { password: 'a secret' },
    });
    ends.push(() => store.close());
    return { server, store };
  }

  test('does not show the password to a server that asks for Digest', async () => {
    const { server, store } = await guarded('Basic realm="a", Digest realm="r", nonce="n1", qop="auth"', (sent) =>
      sent.startsWith('Digest '),
    );
    await putBytes(store, 'a', patternBytes(10));
    expect(await listKeys(store)).toEqual(['a']);
    for (const { headers } of server.http.asked) expect(headers.authorization ?? '').not.toMatch(/^Basic/);
  });

  test('goes on when a nonce is used up, in the middle of an upload too', async () => {
    let nonce = 'n1';
    const { server, store } = await guarded('', (sent, method) => {
      if (method === 'PUT' && nonce === 'n1') nonce = 'n2';
      return sent.includes(`nonce="${nonce}"`);
    });
    const override = server.options.override;
    server.options.override = (asked, response) => {
      const setHeader = response.writeHead.bind(response);
      response.writeHead = ((status: number, headers: Record<string, string>) =>
        setHeader(
          status,
          status === 401 ? { ...headers, 'WWW-Authenticate': `Digest realm="r", nonce="${nonce}", qop="auth", stale=true` } : headers,
        )) as never;
      return override?.(asked, response) ?? false;
    };
    await store.put('a', chunkedBody(patternBytes(100_000), 10, true));
    expect(await getBytes(store, 'a')).toHaveLength(100_000);
    expect(server.http.asked.filter(({ method }) => method === 'PUT')).toHaveLength(2);
  });

  test('gives up after three refusals', async () => {
    let refused = 0;
    const { store } = await guarded('Digest realm="r", nonce="n", qop="auth"', () => {
      refused += 1;
      return false;
    });
    await expect(listKeys(store)).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
    expect(refused).toBe(3);
  });
});

const MODULES = '/usr/lib/apache2/modules';

describe.skipIf(available('webdav-apache') !== undefined)('logging in by Digest to Apache', () => {
  let directory: TempDirectory;
  let room: Room;
  let endpoint: string;
  beforeAll(async () => {
    directory = await tempDirectory();
    room = new Room(directory.path);
    const port = await freePort();
    const [root, locks] = [room.directory('files'), room.directory('locks')];
    const isRoot = userInfo().uid === 0;
    if (isRoot) {
      room.run('chmod', '755', room.path);
      room.run('chown', 'www-data', root, locks);
    }
    mkdirSync('/run/apache2', { recursive: true });
    const line = createHash('md5').update('tester:a realm:webdav-secret').digest('hex');
    const passwords = room.write('passwords', `tester:a realm:${line}\n`, 0o644);
    const modules = ['mpm_event', 'authn_core', 'authn_file', 'authz_core', 'authz_user', 'auth_digest', 'dav', 'dav_fs'];
    const config = `
ServerRoot "${room.path}"
ServerName 127.0.0.1
Listen 127.0.0.1:${port}
PidFile "${room.at('apache.pid')}"
ErrorLog "${room.at('error.log')}"
DefaultRuntimeDir "${room.directory('run')}"
${modules.map((name) => `LoadModule ${name}_module ${MODULES}/mod_${name}.so`).join('\n')}
${isRoot ? 'User www-data\nGroup www-data' : ''}
DocumentRoot "${root}"
DavLockDB "${locks}/lock"
<Directory "${root}">
  Dav On
  AuthType Digest
  AuthName "a realm"
  AuthUserFile "${passwords}"
  Require valid-user
</Directory>
`;
    const server = room.start('apache', 'apache2', '-f', room.write('apache.conf', config), '-DFOREGROUND');
    await room.ready('apache', server, () => accepts(port));
    endpoint = `http://127.0.0.1:${port}`;
  }, SERVICE_START_MS);
  afterAll(async () => {
    await endProcesses(Room.processes(room.path));
    await directory.remove();
  });

  const open = (password: string): WebDAVStore => {
    const store = new WebDAVStore({ type: 'webdav', endpoint, path: 'some db/r', user: 'tester', credentials: { password } });
    ends.push(() => store.close());
    return store;
  };

  test('works for every method, many at once', async () => {
    const store = open('webdav-secret');
    const keys = Array.from({ length: 20 }, (_, i) => `ltx/${i % 3}/${i} ü`);
    await Promise.all(keys.map((key) => putBytes(store, key, patternBytes(5000))));
    expect((await listKeys(store)).sort()).toEqual([...keys].sort());
    await Promise.all(keys.map(async (key) => expect(await getBytes(store, key, { offset: 10, length: 20 })).toHaveLength(20)));
    await store.delete(keys);
    expect(await listKeys(store)).toEqual([]);
  });

  test('fails with the wrong password', async () => {
    await expect(listKeys(open('another'))).rejects.toMatchObject({ code: 'CREDENTIALS_INVALID' });
  });
});
