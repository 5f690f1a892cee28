import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { forgetSecrets } from '../../../src/base/redact.ts';
import { openStore } from '../../../src/storage/registry.ts';
import { SFTPStore } from '../../../src/storage/sftp/sftp.ts';
import type { SFTPStoreSpec } from '../../../src/storage/spec.ts';
import { endProcesses } from '../../../tools/services/process.ts';
import { Room } from '../../../tools/services/room.ts';
import { sftp } from '../../../tools/services/servers/sftp.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';
import { getBytes, listKeys, patternBytes, putBytes } from '../contract/bodies.ts';
import { PlainServer } from './plain-server.ts';

async function works(store: SFTPStore): Promise<void> {
  try {
    await putBytes(store, 'ltx/0/a', patternBytes(1000));
    expect(Buffer.compare(await getBytes(store, 'ltx/0/a'), patternBytes(1000))).toBe(0);
    expect(await listKeys(store)).toEqual(['ltx/0/a']);
  } finally {
    await store.close();
  }
}

async function failure(spec: SFTPStoreSpec): Promise<unknown> {
  const store = new SFTPStore(spec);
  try {
    await listKeys(store);
    return undefined;
  } catch (error) {
    return error;
  } finally {
    await store.close();
  }
}

describeWith('sftp', 'logging in to sshd', () => {
  let server: ServiceAddresses['sftp'];
  let base: SFTPStoreSpec;
  let directory: TempDirectory;
  beforeAll(async () => {
    server = await service('sftp');
    directory = await tempDirectory();
  }, SERVICE_START_MS);
  beforeEach(() => {
    const { host, port, user, hostKey, root } = server;
    base = { type: 'sftp', host, port, user, hostKeys: [hostKey], path: `${root}/${randomUUID()}` };
  });
  afterAll(() => directory.remove());

  test('by a key', () => works(new SFTPStore({ ...base, keyPath: server.keyPath })));

  test('by a key with a passphrase', async () => {
    const withKey = { ...base, keyPath: server.encryptedKeyPath };
    await works(new SFTPStore({ ...withKey, credentials: { passphrase: server.passphrase } }));
    expect(await failure(withKey)).toMatchObject({ code: 'CREDENTIALS_INVALID', hint: 'Set the passphrase of the key.' });
    expect(await failure({ ...withKey, credentials: { passphrase: 'not it' } })).toMatchObject({
      code: 'CREDENTIALS_INVALID',
      hint: 'Check the passphrase of the key.',
    });
  });

  test('by the keys of an agent, one of which the server knows', async () => {
    const socket = join(directory.path, 'agent');
    const agent = execFileSync('ssh-agent', ['-a', socket, '-s'], { encoding: 'utf8' });
    const pid = Number(/SSH_AGENT_PID=(\d+)/.exec(agent)?.[1]);
    try {
      expect(await failure({ ...base, agent: socket })).toMatchObject({
        code: 'CREDENTIALS_INVALID',
        hint: expect.stringContaining('it holds no keys'),
      });
      for (const path of [server.strangerKeyPath, server.keyPath]) {
        const { status, stderr } = spawnSync('ssh-add', ['-q', path], { env: { ...process.env, SSH_AUTH_SOCK: socket }, encoding: 'utf8' });
        expect(status, stderr).toBe(0);
      }
      await works(new SFTPStore({ ...base, agent: socket }));
    } finally {
      process.kill(pid);
    }
    // The agent removes it when it ends.
    await expect.poll(() => existsSync(socket)).toBe(false);
    expect(await failure({ ...base, agent: socket })).toMatchObject({
      code: 'CREDENTIALS_INVALID',
      hint: expect.stringContaining('The agent gave no keys'),
    });
  });

  test('fails without a word about secrets when the server knows none of what is offered, or nothing is', async () => {
    const error = await failure({ ...base, keyPath: server.strangerKeyPath, credentials: { password: 'my-secret-word' } });
    expect(error).toMatchObject({ code: 'CREDENTIALS_INVALID', message: expect.stringContaining(server.user) });
    expect(JSON.stringify(error) + String((error as Error).message)).not.toContain('my-secret-word');
    expect(await failure(base)).toMatchObject({ code: 'CREDENTIALS_INVALID', message: expect.stringContaining('nothing to log in with') });
    expect(await failure({ ...base, keyPath: '/no/such/key' })).toMatchObject({
      code: 'CREDENTIALS_INVALID',
      message: expect.stringContaining('ENOENT'),
    });
    expect(await failure({ ...base, keyPath: `${server.keyPath}.pub` })).toMatchObject({ code: 'CREDENTIALS_INVALID' });
  });

  test('trusts what a known_hosts file says, plain or hashed', async () => {
    const { hostKeys: _, ...open } = { ...base, keyPath: server.keyPath };
    await works(new SFTPStore({ ...open, knownHosts: server.knownHosts }));
    const hashed = join(directory.path, 'known_hosts');
    writeFileSync(hashed, `[${server.host}]:${server.port} ${server.hostKey}\n`);
    execFileSync('ssh-keygen', ['-H', '-f', hashed], { stdio: 'pipe' });
    await works(new SFTPStore({ ...open, path: `${base.path}-2`, knownHosts: hashed }));
  });

  test('refuses an unknown host, another key, a revoked one and a file that is missing, and says where it looked', async () => {
    const { hostKeys: _, ...open } = { ...base, keyPath: server.keyPath };
    const other = join(directory.path, 'other_hosts');
    const stranger = execFileSync('ssh-keygen', ['-y', '-f', server.strangerKeyPath], { encoding: 'utf8' }).trim();
    const place = `[${server.host}]:${server.port}`;
    const shown = execFileSync('ssh-keygen', ['-lf', '-'], { encoding: 'utf8', input: server.hostKey }).split(' ')[1] ?? '';
    const expected = execFileSync('ssh-keygen', ['-lf', '-'], { encoding: 'utf8', input: stranger }).split(' ')[1] ?? '';
    writeFileSync(other, `somewhere-else ${server.hostKey}\n@cert-authority * ${server.hostKey}\n`);
    const unknown = await failure({ ...open, knownHosts: other });
    expect(unknown).toMatchObject({ code: 'ENDPOINT_UNTRUSTED', message: expect.stringContaining(shown) });
    expect(unknown).toMatchObject({
      message: expect.stringContaining(other),
      hint: expect.stringContaining(`ssh-keyscan -p ${server.port} ${server.host}`),
    });
    expect(unknown).toMatchObject({ hint: expect.stringContaining('@cert-authority') });

    writeFileSync(other, `${place} ${stranger}\n`);
    const wrong = await failure({ ...open, knownHosts: other });
    expect(wrong).toMatchObject({ code: 'ENDPOINT_UNTRUSTED', message: expect.stringContaining(shown) });
    expect(wrong).toMatchObject({ message: expect.stringContaining(expected) });
    expect(wrong).toMatchObject({ message: expect.stringContaining(`${other} line 1`) });

    expect(await failure({ ...base, keyPath: server.keyPath, hostKeys: [stranger] })).toMatchObject({
      code: 'ENDPOINT_UNTRUSTED',
      message: expect.stringContaining('configured host key 1'),
    });
    writeFileSync(other, `${place} ${server.hostKey}\n@revoked * ${server.hostKey}\n`);
    expect(await failure({ ...open, knownHosts: other })).toMatchObject({
      code: 'ENDPOINT_UNTRUSTED',
      message: expect.stringContaining('revoked'),
    });
    expect(await failure({ ...open, knownHosts: '/no/known_hosts' })).toMatchObject({
      code: 'ENDPOINT_UNTRUSTED',
      message: expect.stringContaining('/no/known_hosts'),
    });
    expect(await failure({ ...base, keyPath: server.keyPath, hostKeys: ['nonsense'] })).toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('takes the known one of several keys of the host, and any of several known ones', async () => {
    const stranger = execFileSync('ssh-keygen', ['-y', '-f', server.strangerKeyPath], { encoding: 'utf8' }).trim();
    await works(new SFTPStore({ ...base, keyPath: server.keyPath, hostKeys: [stranger, server.hostKey] }));
  });

  test('accepts any host only when told to', () => {
    const { hostKeys: _, ...open } = { ...base, keyPath: server.keyPath };
    return works(new SFTPStore({ ...open, verifyHost: false }));
  });

  describe('through a jump host', () => {
    let jump: ServiceAddresses['sftp'];
    let room: Room;
    beforeAll(async () => {
      room = new Room(join(directory.path, 'jump'));
      jump = await sftp.start(room, {});
    }, SERVICE_START_MS);
    afterAll(() => endProcesses(Room.processes(room.path)));

    const login = () => ({ host: jump.host, port: jump.port, user: jump.user, keyPath: jump.keyPath, hostKeys: [jump.hostKey] });

    test('reaches the server behind it', () => works(new SFTPStore({ ...base, keyPath: server.keyPath, jump: login() })));

    test('with a passphrase of its own', () =>
      works(
        new SFTPStore({
          ...base,
          keyPath: server.keyPath,
          jump: { ...login(), keyPath: jump.encryptedKeyPath },
          credentials: { jumpPassphrase: jump.passphrase },
        }),
      ));

    test('verifies each of the two by its own key', async () => {
      const target = { ...base, keyPath: server.keyPath };
      const name = (port: number) => expect.stringContaining(`:${port}`);
      expect(await failure({ ...target, jump: { ...login(), hostKeys: [server.hostKey] } })).toMatchObject({
        code: 'ENDPOINT_UNTRUSTED',
        message: name(jump.port),
      });
      expect(await failure({ ...target, hostKeys: [jump.hostKey], jump: login() })).toMatchObject({
        code: 'ENDPOINT_UNTRUSTED',
        message: name(server.port),
      });
    });

    test('says which of the two does not let one in, and when the server behind cannot be reached', async () => {
      const target = { ...base, keyPath: server.keyPath };
      expect(await failure({ ...target, jump: { ...login(), keyPath: jump.strangerKeyPath } })).toMatchObject({
        code: 'CREDENTIALS_INVALID',
      });
      expect(await failure({ ...target, keyPath: server.strangerKeyPath, jump: login() })).toMatchObject({ code: 'CREDENTIALS_INVALID' });
      expect(await failure({ ...target, port: 1, jump: login() })).toMatchObject({
        code: 'STORAGE_UNAVAILABLE',
        message: expect.stringContaining('jump host'),
      });
    });
  });
});

describe('logging in by what a server asks for', () => {
  let directory: TempDirectory;
  let server: PlainServer;
  beforeEach(async () => {
    directory = await tempDirectory();
  });
  afterEach(async () => {
    await server.stop();
    await directory.remove();
    forgetSecrets();
  });

  const spec = (more: Partial<SFTPStoreSpec> = {}): SFTPStoreSpec => ({
    type: 'sftp',
    host: '127.0.0.1',
    port: server.port,
    user: 'u',
    hostKeys: [server.hostKey],
    path: 'replica',
    credentials: { password: 'correct horse' },
    ...more,
  });

  test('a password', async () => {
    server = await PlainServer.start({
      root: directory.path,
      onLogin: (context) =>
        context.method === 'password' && context.password === 'correct horse' ? context.accept() : context.reject(['password']),
    });
    await works(new SFTPStore(spec()));
    expect(await failure(spec({ credentials: { password: 'battery staple' } }))).toMatchObject({ code: 'CREDENTIALS_INVALID' });
  });

  test('a password by keyboard-interactive, told once', async () => {
    let asked = 0;
    server = await PlainServer.start({
      root: directory.path,
      onLogin: (context) => {
        if (context.method !== 'keyboard-interactive') return context.reject(['keyboard-interactive']);
        asked += 1;
        context.prompt([{ prompt: 'Password: ', echo: false }], (answers) =>
          answers[0] === 'correct horse'
            ? context.accept()
            : context.prompt([{ prompt: 'Again: ', echo: false }], (more) => (more[0] === '' ? context.reject() : context.accept())),
        );
      },
    });
    await works(new SFTPStore(spec()));
    expect(asked).toBe(1);
    expect(await failure(spec({ credentials: { password: 'battery staple' } }))).toMatchObject({ code: 'CREDENTIALS_INVALID' });
  });

  test('nothing at all is sent to a host that is not the expected one', async () => {
    server = await PlainServer.start({ root: directory.path });
    const other = await PlainServer.start({ root: directory.path });
    await other.stop();
    expect(await failure(spec({ hostKeys: [other.hostKey] }))).toMatchObject({ code: 'ENDPOINT_UNTRUSTED' });
    expect(server.logins).toEqual([]);
  });

  test('a password that has expired is told as such', async () => {
    server = await PlainServer.start({
      root: directory.path,
      onLogin: (context) =>
        context.method === 'password' ? context.requestChange('Choose another', () => context.reject()) : context.reject(['password']),
    });
    expect(await failure(spec())).toMatchObject({ code: 'CREDENTIALS_INVALID', message: expect.stringContaining('expired') });
  });

  test('the registry opens it and blanks the password in all text from then on', async () => {
    server = await PlainServer.start({ root: directory.path, onLogin: (context) => context.reject(['password']) });
    const store = await openStore(spec());
    const { redact } = await import('../../../src/base/redact.ts');
    expect(redact('the words are: correct horse')).not.toContain('horse');
    expect(store.destination).not.toContain('correct');
    await store.close();
  });
});

describe('a server that is none', () => {
  test('is given up after the time for connecting, really', async () => {
    const silent = createServer((socket) => void socket.on('error', () => {}).resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const store = new SFTPStore(
      { type: 'sftp', host: '127.0.0.1', port, user: 'u', path: '/x', verifyHost: false, credentials: { password: 'x' } },
      { limits: { connectMs: 200 } },
    );
    const began = performance.now();
    await expect(listKeys(store)).rejects.toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining('no answer within 0.2 s'),
    });
    expect(performance.now() - began).toBeLessThan(30_000);
    await store.close();
    await new Promise((resolve) => silent.close(resolve));
  });

  test('is told from one that refuses, and from one that speaks something else', async () => {
    const web = createServer((socket) => {
      socket.on('error', () => {}).resume();
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
    const { port } = web.address() as { port: number };
    const at = (where: number): SFTPStoreSpec => ({
      type: 'sftp',
      host: '127.0.0.1',
      port: where,
      user: 'u',
      path: '/x',
      verifyHost: false,
      credentials: { password: 'x' },
    });
    expect(await failure(at(port))).toMatchObject({ code: 'STORAGE_UNAVAILABLE', hint: expect.stringContaining('Is it an SSH server?') });
    await new Promise((resolve) => web.close(resolve));
    expect(await failure(at(port))).toMatchObject({ code: 'STORAGE_UNAVAILABLE', message: expect.stringContaining('ECONNREFUSED') });
    expect(await failure({ ...at(22), host: 'no-such-host.invalid' })).toMatchObject({
      code: 'STORAGE_UNAVAILABLE',
      message: expect.stringContaining('no-such-host.invalid'),
    });
  });
});
