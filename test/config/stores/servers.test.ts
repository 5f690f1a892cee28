/** SFTP and WebDAV: what URLs and keys come to. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { tempDirectory } from '../../support/temp-directory.ts';
import { resolved, storeOfArgument, storeOfURL } from './support.ts';

const KNOWN = { knownHosts: '/nowhere/.ssh/known_hosts' };
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE0000000000000000000000000000000000000000000';

describe('sftp', () => {
  test.each([
    // One URL, one place: the original takes this for a path below the home directory on the command line.
    ['sftp://me@h/backups/app/', { host: 'h', user: 'me', path: '/backups/app' }],
    ['sftp://me@h:2222/~/backups', { host: 'h', port: 2222, user: 'me', path: 'backups' }],
    ['sftp://me@h/~', { host: 'h', user: 'me', path: '.' }],
    ['sftp://me@[::1]:2222/x', { host: '::1', port: 2222, user: 'me', path: '/x' }],
    ['sftp://me:s%40cret@h/x', { host: 'h', user: 'me', path: '/x', credentials: { password: 's@cret' } }],
    [
      'sftp://me@h/x?keyPath=~/k&concurrent-writes=false',
      { host: 'h', user: 'me', path: '/x', keyPath: '/nowhere/k', concurrentWrites: false },
    ],
  ])('%s', (url, wanted) => {
    expect(storeOfURL(url)).toEqual({ type: 'sftp', ...wanted, ...KNOWN });
    expect(storeOfArgument(url)).toEqual({ type: 'sftp', ...wanted, ...KNOWN });
  });

  const SFTP = `type: sftp, host: 'h:22', user: me, path: /x`;

  test('keys come to the same', () => {
    const keys = `${SFTP}, password: p, key-path: k, key-passphrase: q, host-key: '${KEY}', concurrent-writes: no`;
    expect(resolved(keys)).toMatchObject({
      findings: [],
      store: {
        type: 'sftp',
        host: 'h',
        port: 22,
        user: 'me',
        path: '/x',
        keyPath: `${process.cwd()}/k`,
        hostKeys: [KEY],
        concurrentWrites: false,
        credentials: { password: 'p', passphrase: 'q' },
      },
    });
    expect(resolved(`type: sftp, host: h, user: me, path: '~/x', host-key: '${KEY}'`).store?.path).toBe('x');
  });

  test('a host key of the top level reaches the replica (dropped by the original), one or several', () => {
    expect(resolved(SFTP, `host-key: '${KEY}'`).store).toMatchObject({ hostKeys: [KEY] });
    expect(resolved(SFTP, `host-key: ['${KEY}', '${KEY} me']`).store).toMatchObject({ hostKeys: [KEY, `${KEY} me`] });
    expect(resolved(`${SFTP}, host-key: AAAA`).findings).toEqual([
      expect.stringMatching(/^error .*a host key is a line such as "ssh-ed25519/),
    ]);
  });

  test('a server whose key is not checked is a finding, and an error in strict mode', () => {
    expect(resolved(`${SFTP}, verify-host-key: no`)).toMatchObject({
      store: { verifyHost: false },
      findings: [
        'warning dbs[0].replicas[0].verify-host-key: the key of the server is not checked: whoever is on the way can pose as the server',
      ],
    });
    expect(resolved(`${SFTP}, verify-host-key: no`, '', {}, true).store).toBeUndefined();
  });

  test('without a host key there has to be a file of known hosts', async () => {
    expect(resolved(SFTP).findings).toEqual([
      'warning dbs[0].replicas[0]: /nowhere/.ssh/known_hosts is not there and no host-key is given: the server is refused until one of them says its key',
    ]);
    const temp = await tempDirectory();
    mkdirSync(join(temp.path, '.ssh'));
    writeFileSync(join(temp.path, '.ssh', 'known_hosts'), '');
    expect(resolved(SFTP, '', { HOME: temp.path })).toMatchObject({ findings: [], store: { knownHosts: `${temp.path}/.ssh/known_hosts` } });
    await temp.remove();
  });

  test('the agent of the session is asked where nothing else is said, and on demand', () => {
    const env = { SSH_AUTH_SOCK: '/run/agent' };
    const agent = (keys: string) => (resolved(`${SFTP}, host-key: '${KEY}'${keys}`, '', env).store as { agent?: string }).agent;
    expect(agent('')).toBe('/run/agent');
    expect(agent(', password: p')).toBeUndefined();
    expect(agent(', key-path: k, agent: yes')).toBe('/run/agent');
    expect(agent(', agent: no')).toBeUndefined();
    expect(agent(', agent: /other')).toBe('/other');
    expect(resolved(`${SFTP}, host-key: '${KEY}', agent: yes`).findings).toEqual([expect.stringContaining('SSH_AUTH_SOCK is not set')]);
  });

  test('a server in between takes from the one behind what is not said about it', () => {
    const keys = `${SFTP}, host-key: '${KEY}', key-path: /k, key-passphrase: q`;
    expect(resolved(`${keys}, jump-host: 'j:222', jump-host-key: '${KEY}'`).store).toMatchObject({
      jump: { host: 'j', port: 222, user: 'me', keyPath: '/k', hostKeys: [KEY] },
      credentials: { passphrase: 'q', jumpPassphrase: 'q' },
    });
    expect(
      resolved(`${keys}, jump-host: j, jump-user: x, jump-key-path: /l, jump-password: w, jump-key-passphrase: r, known-hosts: /dev/null`)
        .store,
    ).toMatchObject({
      jump: { host: 'j', user: 'x', keyPath: '/l', knownHosts: '/dev/null' },
      credentials: { jumpPassword: 'w', jumpPassphrase: 'r' },
    });
    expect(resolved(`${keys}, jump-user: x`).findings).toEqual([expect.stringMatching(/jump-user: no effect without jump-host$/)]);
  });

  test.each([
    ['a host', 'type: sftp, user: me, path: /x', /needs a host/],
    ['a user', 'type: sftp, host: h, path: /x', /needs a user/],
    ['a path', 'type: sftp, host: h, user: me', /needs a path/],
    ['a port that is one', `type: sftp, host: 'h:ssh', user: me, path: /x`, /needs a host such as/],
  ])('needs %s', (_, keys, message) => {
    const errors = resolved(keys).findings.filter((text) => text.startsWith('error'));
    expect(errors).toEqual([expect.stringMatching(message)]);
  });
});

describe('webdav', () => {
  test.each([
    ['webdav://h.local/dav/x/', { endpoint: 'http://h.local', path: 'dav/x' }],
    ['webdavs://u:p@h:8443/dav', { endpoint: 'https://h:8443', path: 'dav', user: 'u', credentials: { password: 'p' } }],
  ])('%s', (url, wanted) => {
    expect(storeOfURL(url)).toEqual({ type: 'webdav', ...wanted });
  });

  test('webdav-url keeps its base path, and gives up user and password', () => {
    expect(resolved("type: webdav, webdav-url: 'https://u:hunter2@h/remote.php/dav/', path: /app/").store).toEqual({
      type: 'webdav',
      endpoint: 'https://h/remote.php/dav',
      path: 'app',
      user: 'u',
      credentials: { password: 'hunter2' },
    });
  });

  test('address, user and password of the top level reach the replica (dropped by the original)', () => {
    expect(resolved('type: webdav, path: a', "webdav-url: 'https://h'\nwebdav-username: u\nwebdav-password: p").store).toEqual({
      type: 'webdav',
      endpoint: 'https://h',
      path: 'a',
      user: 'u',
      credentials: { password: 'p' },
    });
  });

  test('a password in the open, half a login and a missing address are told', () => {
    expect(resolved("url: 'webdav://u:p@h.example.org/x'").findings).toContainEqual(
      expect.stringMatching(/^warning .*the password travels unencrypted/),
    );
    expect(resolved("type: webdav, webdav-url: 'https://h', webdav-password: p").findings).toContainEqual(
      expect.stringMatching(/^warning .*without webdav-username/),
    );
    expect(resolved('type: webdav').findings).toEqual([expect.stringMatching(/^error .*needs webdav-url/)]);
    expect(resolved("type: webdav, webdav-url: 'ftp://u:hunter2@h'").findings).toEqual([
      'error dbs[0].replicas[0].webdav-url: this is not the http or https URL of a WebDAV server',
    ]);
  });
});
