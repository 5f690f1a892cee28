/** Directories of databases: what the configuration comes to, and which files are members of what. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasCode } from '../../src/base/errors.ts';
import { describeSettings } from '../../src/config/describe.ts';
import { formatFinding } from '../../src/config/findings.ts';
import { settingsFromText } from '../../src/config/load.ts';
import type { Settings } from '../../src/config/settings.ts';
import { findLostMembers } from '../../src/service/directories/lost.ts';
import { expandDirectories, memberAt } from '../../src/service/directories/members.ts';

const settingsOf = (text: string): Settings => settingsFromText(text, 'c.yml', { expandEnv: true }, {});

function entry(keys: string, replica = 'path: /backups/tenants'): string {
  return `  - dir: /srv/tenants\n${keys
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => `    ${line}\n`)
    .join('')}    replica: { ${replica} }\n`;
}
const PLAIN = `dbs:\n${entry('pattern: "*.db"')}`;

function errorsOf(text: string): string[] {
  try {
    settingsOf(text);
  } catch (error) {
    if (!hasCode(error, 'CONFIG_INVALID')) throw error;
    return error.message
      .split('\n')
      .slice(1)
      .map((line) => line.trim());
  }
  return [];
}

describe('keys', () => {
  test('every database key is one of each member', () => {
    const { directories, databases } = settingsOf(
      `dbs:\n${entry('pattern: "*.db"\nbusy-timeout: 7s\nmin-checkpoint-page-count: 9\nrestore-if-db-not-exists: true', 'path: /b, sync-interval: 3s')}`,
    );
    expect(databases).toEqual([]);
    expect(directories).toMatchObject([
      {
        dir: '/srv/tenants',
        pattern: '*.db',
        recursive: false,
        watch: false,
        at: { key: 'dbs[0].dir', line: 2 },
        template: {
          restoreIfMissing: true,
          settings: { busyTimeoutMs: 7000, minCheckpointPages: 9 },
          replicas: [{ syncIntervalMs: 3000 }],
        },
      },
    ]);
  });

  test('members become cold after five minutes unless something else is written', () => {
    expect(settingsOf(PLAIN).directories[0]?.template.settings.coldAfterMs).toBe(300_000);
    expect(
      settingsOf(PLAIN.replace('pattern', 'cold-after: 0s\n    pattern')).directories[0]?.template.settings.coldAfterMs,
    ).toBeUndefined();
  });

  test.each([
    ['no pattern', entry('watch: true'), /dbs\[0\].*needs a pattern/],
    ['an empty pattern', entry('pattern: ""'), /dbs\[0\]\.pattern.*needs a pattern/],
    ['a pattern with a directory', entry('pattern: "a/*.db"'), /dbs\[0\]\.pattern.*included with recursive/],
    ['a pattern that is none', entry('pattern: "[a.db"'), /dbs\[0\]\.pattern.*not a shell pattern/],
    ['dir and path', entry('pattern: "*"\npath: /x.db'), /dbs\[0\]\.path.*use one of them/],
    ['meta-dir and meta-path', entry('pattern: "*"\nmeta-dir: /m\nmeta-path: /n'), /dbs\[0\]\.meta-dir.*use one of them/],
    ['watch without dir', '  - path: /a.db\n    watch: true\n    replica: { path: /b }\n', /dbs\[0\]\.watch: watch is for directories/],
    [
      'meta-dir without dir',
      '  - path: /a.db\n    meta-dir: /m\n    replica: { path: /b }\n',
      /dbs\[0\]\.meta-dir: meta-dir is for directories/,
    ],
    ['no replica', '  - dir: /d\n    pattern: "*"\n', /needs a replica/],
    ['a directory inside its replica', entry('pattern: "*"', 'path: /srv'), /dbs\[0\]\.dir.*lies inside the replica/],
    ['its replica inside its local state', entry('pattern: "*"\nmeta-dir: /m', 'path: /m/x'), /lie inside each other/],
    [
      "below another database's replica",
      `  - path: /a.db\n    replica: { path: /b }\n${entry('pattern: "*"', 'path: /b/c')}`,
      /lies inside a replica of/,
    ],
  ])('%s is an error at its place', (_, text, wanted) => {
    expect(errorsOf(`dbs:\n${text}`).join('\n')).toMatch(wanted);
  });

  test.each([
    ['pattern without dir', '  - path: /a.db\n    pattern: "*"\n    replica: { path: /b }\n', /dbs\[0\]\.pattern: no effect without dir/],
    ['two stars', entry('pattern: "**.db"'), /no more than "\*"/],
    ['braces', entry('pattern: "{a,b}.db"'), /stand for themselves/],
  ])('%s is doubtful', (_, text, wanted) => {
    expect(settingsOf(`dbs:\n${text}`).findings.map(formatFinding).join('\n')).toMatch(wanted);
  });

  test('the printed configuration has directories where they were written, and reads back', () => {
    const text = `dbs:\n  - path: /a.db\n    replica: { path: /ra }\n${entry('pattern: "*.db"\nwatch: true\nmeta-dir: /m')}  - path: /b.db\n    replica: { path: /rb }\n`;
    const printed = describeSettings(settingsOf(text));
    expect(printed.match(/^ {2}- (?:path|dir): \S+/gm)).toEqual(['  - path: /a.db', '  - dir: /srv/tenants', '  - path: /b.db']);
    expect(printed).toMatch(/^ {4}watch: true +# c\.yml:6$/m);
    expect(settingsOf(printed).directories).toMatchObject([{ dir: '/srv/tenants', pattern: '*.db', watch: true, metaDir: '/m' }]);
  });
});

describe('a member', () => {
  const at = (keys: string, path: string, replica?: string) => memberAt(settingsOf(`dbs:\n${entry(keys, replica)}`).directories, path);

  test('has the path below the directory behind the replica, blanks and percent signs as they are', () => {
    const member = at('pattern: "*.db"\nrecursive: true', '/srv/tenants/acme inc/100%25.db', 'url: "file:///backups/t"');
    expect(member?.replicas[0]?.store.path).toBe('/backups/t/acme inc/100%25.db');
    expect(member?.settings).toMatchObject({ path: '/srv/tenants/acme inc/100%25.db', name: 'acme-inc-100-25' });
  });

  test.each([
    ['type: s3, bucket: b', 'acme inc/100%25 ü.db'],
    ['type: s3, bucket: b, path: t', 't/acme inc/100%25 ü.db'],
    ['url: "s3://b"', 'acme inc/100%25 ü.db'],
    ['url: "s3://b/t%20x/?region=r"', 't x/acme inc/100%25 ü.db'],
    ['type: gs, bucket: b, path: t/', 't/acme inc/100%25 ü.db'],
    ['url: "abs://acc@c/t"', 't/acme inc/100%25 ü.db'],
    ['url: "sftp://u@h/t", verify-host-key: no', '/t/acme inc/100%25 ü.db'],
    ['url: "sftp://u@h/~", verify-host-key: no', 'acme inc/100%25 ü.db'],
    ['url: "webdavs://h/t"', 't/acme inc/100%25 ü.db'],
    // The original appends to the name of the bucket.
    ['url: "nats://h/b"', 'acme inc/100%25 ü.db'],
    ['type: nats, bucket: b, path: t', 't/acme inc/100%25 ü.db'],
    ['url: "oss://b/t"', 't/acme inc/100%25 ü.db'],
  ])('has the path below the directory behind that of %s', (replica, wanted) => {
    const member = at('pattern: "*.db"\nrecursive: true', '/srv/tenants/acme inc/100%25 ü.db', replica);
    expect(member?.replicas[0]?.store.path).toBe(wanted);
  });

  test('of a dated destination changes it with the date, parameters of the URL apart', () => {
    const member = at('pattern: "*"', '/srv/tenants/a.db', 'url: "s3://b/t/$(date +%Y)?region=r"');
    expect(member?.replicas[0]?.dated?.template).toBe('t/$(date +%Y)/a.db');
    expect(member?.replicas[0]?.store).toMatchObject({ bucket: 'b', region: 'r', path: `t/${new Date().getUTCFullYear()}/a.db` });
  });

  test('has a mirror of its own', () => {
    expect(at('pattern: "*"', '/srv/tenants/a.db', 'path: /b, mirror: /m')?.replicas[0]?.mirror).toBe('/m/a.db');
  });

  test.each([
    ['beside it', '', '/srv/tenants/x/.a.db-litestream'],
    ['below meta-dir', '\nmeta-dir: /meta', '/meta/x/a.db-litestream'],
    ['below meta-path', '\nmeta-path: /meta', '/meta/x/.a.db-litestream'],
  ])('has its local state %s', (_, keys, wanted) => {
    expect(at(`pattern: "*"\nrecursive: true${keys}`, '/srv/tenants/x/a.db')?.settings.metaPath).toBe(wanted);
  });

  test.each([
    ['elsewhere', '/srv/other/a.db'],
    ['beside the directory', '/srv/tenants.db'],
    ['out of it by dots', '/srv/tenants/../x.db'],
    ['of another name', '/srv/tenants/a.sqlite'],
    ['side file', '/srv/tenants/a.db-wal'],
    ['in a directory below', '/srv/tenants/acme/a.db'],
    ['relative', 'a.db'],
  ])('is no file %s', (_, path) => {
    expect(at('pattern: "*"\nname: t', path.replace('a.sqlite', 'a.db-journal'))).toBeUndefined();
    expect(at('pattern: "*.db"', path)).toBeUndefined();
  });

  test('is nothing in local states, unfinished restores, or what a restore put aside', () => {
    for (const name of [
      '.a.db-litestream/owner.lock',
      '.a.db.restoring-1-2-0a/restored.db',
      '.litestream-restore-7-x/a.db',
      'a.db.replaced-20260301T120000Z',
    ])
      expect(at('pattern: "*"\nrecursive: true', `/srv/tenants/${name}`), name).toBeUndefined();
    expect(at('pattern: "*"\nrecursive: true', '/srv/tenants/b/x/ltx/0/f', 'path: /srv/tenants/b')).toBeUndefined();
  });
});

describe('looking through a directory', () => {
  let root: string;
  const put = (name: string, content = 'SQLite format 3\0 and more') => {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content);
  };
  const load = async (text: string) => {
    const { databases, directories } = settingsOf(text.replaceAll('/srv/tenants', join(root, 'd')).replaceAll('/backups', join(root, 'b')));
    const { members, problems } = await expandDirectories(databases, directories);
    return { databases, directories, members, paths: members.map(({ settings: { path } }) => path.slice(root.length + 3)), problems };
  };

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'litestream-directories-'));
    mkdirSync(join(root, 'd'));
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  test('finds files that begin like a database, in the order of their paths; links and everything else are left alone', async () => {
    for (const name of ['d/b.db', 'd/a.db', 'd/sub/c.db', 'd/.hidden.db', 'd/.b.db-litestream/x.db', 'outside.db', 'elsewhere/e.db'])
      put(name);
    put('d/empty.db', '');
    put('d/text.db', 'not a database at all');
    put('d/a.db-wal');
    symlinkSync(join(root, 'outside.db'), join(root, 'd/link.db'));
    symlinkSync(join(root, 'elsewhere'), join(root, 'd/linked'));
    expect((await load(PLAIN)).paths).toEqual(['.hidden.db', 'a.db', 'b.db']);
    expect((await load(`dbs:\n${entry('pattern: "*.db"\nrecursive: true')}`)).paths).toEqual(['.hidden.db', 'a.db', 'b.db', 'sub/c.db']);
  });

  test('copies that follow a replica are left alone, and named', async () => {
    for (const name of ['d/a.db', 'd/copy.db']) put(name);
    put('d/copy.db-txid', '0000000000000003\n');
    const { paths, problems } = await load(PLAIN);
    expect(paths).toEqual(['a.db']);
    expect(problems).toMatchObject([
      { severity: 'warning', message: expect.stringMatching(/d\/copy\.db is a copy that follows a replica .*remove .*copy\.db-txid/) },
    ]);
  });

  test('none is an error unless the directory is watched', async () => {
    expect((await load(PLAIN)).problems).toMatchObject([{ severity: 'error', message: expect.stringContaining('no database in') }]);
    expect((await load(`dbs:\n${entry('pattern: "*.db"\nwatch: true')}`)).problems).toEqual([]);
    rmSync(join(root, 'd'), { recursive: true });
    expect((await load(PLAIN)).problems).toMatchObject([{ severity: 'error', message: expect.stringContaining('there is no directory') }]);
    expect((await load(`dbs:\n${entry('pattern: "*.db"\nwatch: true')}`)).problems).toEqual([]);
  });

  test('a file with an entry of its own is left to that one, also behind a link', async () => {
    put('d/a.db');
    put('d/b.db');
    symlinkSync(join(root, 'd'), join(root, 'link'));
    const { paths, problems } = await load(`${PLAIN}  - path: ${join(root, 'link/a.db')}\n    replica: { path: ${join(root, 'ra')} }\n`);
    expect(paths).toEqual(['b.db']);
    expect(problems).toEqual([]);
  });

  test('what belongs to two is an error: the file, the local state, the destination', async () => {
    put('d/a.db');
    put('e/a.db');
    const other = (more: string, dir = 'e') =>
      entry(`pattern: "*.db"\n${more}`, 'path: /backups/two').replace('/srv/tenants', join(root, dir));
    const messages = async (text: string) => (await load(text)).problems.map(({ message }) => message.replaceAll(root, ''));
    expect(await messages(`${PLAIN}${other('', 'd')}`)).toEqual(['/d/a.db is replicated already, as /d/a.db']);
    expect(await messages(`${PLAIN.replace('"*.db"', '"*.db"\n    meta-dir: /m')}${other('meta-dir: /m')}`)).toEqual([
      'the local state /m/a.db-litestream of /e/a.db is already that of /d/a.db',
    ]);
    expect(await messages(`${PLAIN}${other('').replace('two', 'tenants')}`)).toEqual([
      '/b/tenants/a.db for /e/a.db is already a replica of /d/a.db',
    ]);
  });

  test('names come from the path below the directory and do not depend on what else is there', async () => {
    for (const name of ['d/data.db', 'd/acme/data.db', 'd/acme-data.db', 'd/acme/data.sqlite', 'd/x y.db', 'd/...db']) put(name);
    const { members } = await load(`dbs:\n${entry('pattern: "*"\nrecursive: true')}`);
    expect(Object.fromEntries(members.map(({ settings: { name, path } }) => [path.slice(root.length + 3), name]))).toEqual({
      '...db': 'db',
      'acme-data.db': 'acme-data',
      'acme/data.db': 'd-acme-data',
      'acme/data.sqlite': 'd-acme-data-2',
      'data.db': 'data',
      'x y.db': 'x-y',
    });
    const [first] = (await load(`dbs:\n${entry('pattern: "data.db"\nname: shop')}`)).members;
    expect(first?.settings.name).toBe('shop-data');
  });

  test('what only a replica still has is found in it', async () => {
    put('d/here.db');
    for (const name of ['here.db', 'gone.db', 'acme/gone too.db', 'not-ours.txt'])
      mkdirSync(join(root, 'b/tenants', name, 'ltx/0'), { recursive: true });
    mkdirSync(join(root, 'b/tenants/old.db/generations'), { recursive: true });
    const lost = async (keys: string) => {
      const { directories, members } = await load(`dbs:\n${entry(keys)}`);
      const [directory] = directories;
      return directory === undefined
        ? []
        : (await findLostMembers(directory, members)).map(({ settings }) => settings.path.slice(root.length + 3));
    };
    expect(await lost('pattern: "*.db"\nrecursive: true')).toEqual(['acme/gone too.db', 'gone.db', 'old.db']);
    expect(await lost('pattern: "*.db"')).toEqual(['gone.db', 'old.db']);
  });
});
