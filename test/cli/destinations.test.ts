/** Commands and destinations of every kind: which replica a URL means, and that no secret is in what they print. */

import { describe, expect, test } from 'vitest';
import { forgetSecrets } from '../../src/base/redact.ts';
import type { SectionSpec } from '../../src/config/schema.ts';
import { STORE_KINDS } from '../../src/config/stores/kinds.ts';
import { type Answers, FakeDoor } from './fake-door.ts';

const CONFIG = `
dbs:
  - path: /srv/s3.db
    replica: {type: s3, bucket: bkt, path: app, endpoint: 'https://s3.example.org'}
  - path: /srv/abs.db
    replica: {type: abs, bucket: cont, path: app, account-name: acc, account-key: a2V5}
  - path: /srv/sftp.db
    replica: {type: sftp, host: h, user: me, path: /app, password: hunter2hunter2}
  - path: /srv/nats.db
    replica: {url: 'nats://n1,n2/bkt/app'}
  - path: /srv/dated.db
    replica: {url: 's3://bkt/daily/$(date +%F)/app'}
  - path: /srv/webdav.db
    replica: {url: 'webdavs://me:hunter2hunter2@h/dav/app'}
  - path: /srv/oss.db
    replica: {url: 'oss://bkt.oss-cn-shanghai.aliyuncs.com/app'}
`;

const answers: Answers = {
  restore: () => ({ as_of: '2026-03-01T12:00:00.000Z', mode: 'nothing_to_do', reason: 'it is a test' }),
};

async function restoring(url: string) {
  const door = new FakeDoor({ answers, config: CONFIG, env: { HOME: '/nowhere' } });
  const { status, err } = await door.run('restore', url);
  return { status, err, paths: door.calls.map(({ input }) => (input as { path?: string }).path) };
}

describe('restore URL without -o', () => {
  test.each([
    ['s3://bkt/app', '/srv/s3.db'],
    ['s3://bkt/app/?endpoint=https%3A%2F%2Fs3.example.org', '/srv/s3.db'],
    ['abs://cont/app', '/srv/abs.db'],
    ['abs://acc@cont/app', '/srv/abs.db'],
    ['sftp://h/app', '/srv/sftp.db'],
    ['sftp://me:hunter2hunter2@h/app', '/srv/sftp.db'],
    ['nats://n2/bkt/app', '/srv/nats.db'],
    ['s3://bkt/daily/$(date +%F)/app', '/srv/dated.db'],
    ['webdavs://h/dav/app', '/srv/webdav.db'],
    ['oss://bkt/app', '/srv/oss.db'],
  ])('%s goes to the one configured database that has this replica', async (url, path) => {
    expect(await restoring(url)).toEqual({ status: 0, err: expect.any(String), paths: [path] });
  });

  test.each([
    's3://bkt/app?endpoint=https%3A%2F%2Felsewhere.example.org',
    's3://other/app',
    's3://bkt/ap',
    'abs://other@cont/app',
    'sftp://somebody:hunter2hunter2@h/app',
    'sftp://h:2222/~/app',
    'nats://n3/bkt/app',
  ])('%s is no configured replica, and nothing of a password is said', async (url) => {
    const { status, err, paths } = await restoring(url);
    expect({ status, paths }).toEqual({ status: 2, paths: [] });
    expect(err).toContain('no configured database has the replica');
    expect(err).not.toContain('hunter2');
    forgetSecrets();
  });
});

describe('secrets', () => {
  const EXTRAS: Readonly<Record<string, string>> = {
    file: 'path: /x',
    s3: 'bucket: b',
    gs: 'bucket: b',
    abs: 'bucket: b, account-name: a',
    sftp: 'host: h, user: u, path: /x, jump-host: j, verify-host-key: false',
    webdav: "webdav-url: 'https://h', webdav-username: u",
    nats: 'bucket: b',
    oss: 'bucket: b',
  };
  const PARTNERS: Readonly<Record<string, string>> = {
    'access-key-id': 'secret-access-key: x',
    'secret-access-key': 'access-key-id: x',
    'session-token': 'access-key-id: x, secret-access-key: x',
    jwt: 'seed: x',
    seed: 'jwt: x',
    password: 'username: u',
    'key-passphrase': 'key-path: /k',
    'jump-key-passphrase': 'jump-key-path: /k',
  };
  const secrets = STORE_KINDS.flatMap(({ type, keys }) =>
    Object.entries<SectionSpec[string]>(keys).flatMap(([name, { secret }]) => (secret === true ? [{ type, name }] : [])),
  );

  test.each(secrets)('$name of $type is in nothing that config check prints', async ({ type, name }) => {
    // Looks like no secret, and fits where a form is asked for.
    const canary = name === 'sse-customer-key' ? Buffer.alloc(32, 'canary').toString('base64') : `plain words of ${name} and more`;
    const partner = PARTNERS[name] === undefined || (type === 'sftp' && name === 'password') ? '' : `, ${PARTNERS[name]}`;
    const config = `dbs:\n  - path: /a.db\n    replica: {type: ${type}, ${EXTRAS[type]}, ${name}: '${canary}'${partner}}\n`;
    for (const flags of [['-print'], ['-print', '-json'], ['-json', '-strict'], []]) {
      forgetSecrets();
      const door = new FakeDoor({ config, env: { HOME: '/nowhere' } });
      const { out, err } = await door.run('config', 'check', ...flags);
      expect(out + err).not.toContain(canary);
      // It was read: what is masked is there.
      if (flags.join() === '-print') expect(out).toContain(`${name}: "***"`);
      if (flags.join() === '-print,-json') expect(JSON.stringify(JSON.parse(out))).toContain('"***"');
    }
    forgetSecrets();
  });

  test('nor is the password of a URL', async () => {
    const config = "dbs:\n  - path: /a.db\n    replica: {url: 'sftp://me:plain%20words@h/x', verify-host-key: no}\n";
    for (const flags of [['-print'], ['-print', '-json']]) {
      forgetSecrets();
      const { out, err } = await new FakeDoor({ config, env: { HOME: '/nowhere' } }).run('config', 'check', ...flags);
      expect(out + err).not.toMatch(/plain(?: |%20)words/);
      expect(out).toContain('***');
    }
    forgetSecrets();
  });
});

test('replicate says what is doubtful about a URL on the command line', async () => {
  const door = new FakeDoor({ env: { HOME: '/nowhere' } });
  await door.run(
    'replicate',
    '/a.db',
    'sftp://me@h/x?verify-host-key=false',
    's3://b/p?endpoint=https%3A%2F%2Fs3.us-west-002.backblazeb2.com',
  );
  expect(door.err).toContain('Warning: the key of the server is not checked');
  expect(door.err).toContain('Note: s3://b/p at https://s3.us-west-002.backblazeb2.com cannot refuse to overwrite');
});

test('the origin of every value is told: file, URL, variable, default', async () => {
  const config = "region: top\ndbs:\n  - path: /a.db\n    replica: {url: 's3://bkt/p?part-size=6MiB', storage-class: STANDARD_IA}\n";
  const env = {
    HOME: '/nowhere',
    AWS_ACCESS_KEY_ID: 'AKIDENVENV',
    AWS_SECRET_ACCESS_KEY: 'secretsecret',
    LITESTREAM_REPLICA_ENDPOINT: 'localhost:9',
  };
  const { out } = await new FakeDoor({ config, env }).run('config', 'check', '-print');
  const lines = out.split('\n').map((line) => line.trim().replace(/ +# /, ' # '));
  expect(lines).toEqual(
    expect.arrayContaining([
      'bucket: bkt # url',
      'path: p # url',
      'part-size: 6291456 # url',
      'region: top # litestream.yml:1',
      'storage-class: STANDARD_IA # litestream.yml:4',
      'endpoint: http://localhost:9 # $LITESTREAM_REPLICA_ENDPOINT',
      'access-key-id: "***" # $AWS_ACCESS_KEY_ID',
      'secret-access-key: "***" # $AWS_SECRET_ACCESS_KEY',
      'concurrency: # unset',
    ]),
  );
  forgetSecrets();
});

test.each([
  ['restore', '-o', '/tmp/x.db', 's3:/backups/app'],
  ['restore', 's3:/backups/app'],
  ['ltx', 's3:/backups/app'],
  ['snapshots', 's3:/backups/app'],
  ['check', 's3:/backups/app'],
  ['replicate', '/a.db', 's3:/backups/app'],
  ['replicate', '/a.db', 's3:backups/app'],
])('%s %s %s: a URL with a slash too few is told with the one that is probably meant', async (...words) => {
  const door = new FakeDoor({ env: { HOME: '/nowhere' } });
  const { status, err } = await door.run(...words);
  expect(status).toBe(3);
  expect(err).toContain('s3://backups/app is probably meant');
});

test('in a configuration too, under url and under path', async () => {
  const door = new FakeDoor({
    config: 'dbs:\n  - path: /a.db\n    replicas:\n      - url: s3:/backups/a\n  - path: /b.db\n    replica: {path: "s3:/backups/b"}\n',
  });
  const { status, out } = await door.run('config', 'check');
  expect(status).toBe(3);
  expect(out).toContain('s3://backups/a is probably meant');
  expect(out).toContain('dbs[1].replica.path: a URL belongs under the key "url"');
});

test('check names the objects that it could not delete, for a person to remove', async () => {
  const left = ['app/litestream-check-1', 'app/litestream-check-1-2'];
  const one = {
    database: 'app',
    replica: 's3',
    type: 's3',
    destination: 's3://bkt/app',
    outcome: 'failed' as const,
    steps: [],
    leftovers: left,
  };
  const door = new FakeDoor({ answers: { check: () => ({ as_of: '2026-03-01T12:00:00.000Z', replicas: [one] }) }, config: CONFIG });
  const { status, out } = await door.run('check');
  expect(status).toBe(1);
  for (const key of left) expect(out).toContain(`  left there: ${key}\n`);
  expect(JSON.parse((await door.run('check', '-json')).out.slice(out.length))).toMatchObject([{ leftovers: left }]);
});
