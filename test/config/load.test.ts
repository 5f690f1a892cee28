/** Whole configurations: what they come to, and what is said about those that are wrong. */

// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references to variables are what is tested

import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { hasCode, LitestreamError } from '../../src/base/errors.ts';
import { formatFinding } from '../../src/config/findings.ts';
import { loadSettings, settingsForArguments, settingsFromText } from '../../src/config/load.ts';
import * as schema from '../../src/config/schema.ts';
import type { Finding, Settings } from '../../src/config/settings.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

const DB = 'dbs:\n  - path: /srv/app.db\n    replica:\n      path: /backups/app\n';

function settingsOf(text: string, env: Record<string, string> = {}, options: { strict?: boolean; expandEnv?: boolean } = {}): Settings {
  return settingsFromText(text, 'c.yml', { expandEnv: true, ...options }, env);
}
const findingsOf = (text: string, env: Record<string, string> = {}) => settingsOf(text, env).findings.map(formatFinding);

function errorOf(text: string, env: Record<string, string> = {}, options: { strict?: boolean } = {}): LitestreamError {
  try {
    settingsOf(text, env, options);
  } catch (error) {
    if (error instanceof LitestreamError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}
function errorOfCall(call: () => unknown): readonly string[] {
  try {
    call();
  } catch (error) {
    const { findings = [] } = (error as LitestreamError).details ?? {};
    return (findings as Finding[]).filter(({ severity }) => severity === 'error').map(({ message }) => message);
  }
  return [];
}
const errorLines = (text: string, env: Record<string, string> = {}) =>
  errorOf(text, env)
    .message.split('\n')
    .slice(1)
    .map((line) => line.trim());

describe('a configuration in the style of the original', () => {
  test('an empty file is a valid configuration without databases', () => {
    expect(settingsOf('')).toMatchObject({
      databases: [],
      findings: [],
      strict: false,
      logging: { level: 'info', type: 'text', stderr: false },
    });
  });

  test('every value that is not written has its default', () => {
    const { databases, lagBudgetMs, shutdown, mcp } = settingsOf(DB);
    expect(databases).toEqual([
      {
        settings: {
          name: 'app',
          path: '/srv/app.db',
          metaPath: '/srv/.app.db-litestream',
          monitorIntervalMs: 1000,
          pollIntervalMs: 1000,
          checkpointIntervalMs: 60_000,
          minCheckpointPages: 500,
          truncatePages: 121_359,
          busyTimeoutMs: 1000,
          maxSyncWALBytes: 67_108_864,
          pageForm: 'block',
          backlog: { bytes: 4 * 1024 ** 3, ageMs: 86_400_000 },
        },
        replicas: [
          {
            name: 'file',
            store: { type: 'file', path: '/backups/app' },
            syncIntervalMs: 1000,
            maxSyncFiles: 256,
            maintenance: {
              levels: [
                { level: 1, intervalMs: 30_000 },
                { level: 2, intervalMs: 300_000 },
                { level: 3, intervalMs: 3_600_000 },
              ],
              snapshotIntervalMs: 86_400_000,
              snapshotRetentionMs: 86_400_000,
              level0RetentionMs: 300_000,
              level0CheckMs: 15_000,
              deletes: true,
              verifyCompaction: false,
            },
            proofIntervalMs: 86_400_000,
          },
        ],
        restoreIfMissing: false,
      },
    ]);
    expect({ lagBudgetMs, shutdown }).toEqual({
      lagBudgetMs: 60_000,
      shutdown: { timeoutMs: 30_000, intervalMs: 500 },
    });
    expect(mcp).toEqual({
      readOnly: true,
      tokenScopes: ['read'],
      gate: { restoreDirs: [], confirm: 'auto', planTTLMs: 600_000, maxRestores: 2 },
      allowedHosts: [],
      allowedOrigins: [],
      sse: true,
      maxResultChars: 20_000,
      auditReads: true,
    });
  });

  test('keys of features that are not here yet are known, and each says that it is not in effect', () => {
    const text = `heartbeat-url: https://x/y\n${DB}`;
    expect(findingsOf(text)).toEqual(['c.yml:1:16: heartbeat-url: not in effect in this version (Called when everything is in sync)']);
    expect(settingsOf(text).databases).toHaveLength(1);
  });

  test('schedules and retention come from the replica, else the database, else the top level, each value by itself (row 87)', () => {
    const text =
      'levels:\n  - interval: 10s\n  - interval: 2m\nsnapshot:\n  interval: 12h\n  retention: 7d\nl0-retention: 0\nretention: {enabled: false}\n' +
      'verify-interval: 0\nmax-local-bytes: 1GiB\ndbs:\n  - path: /a.db\n    snapshot: {interval: 6h}\n    max-local-age: 2h\n    replicas:\n      - path: /b\n' +
      '      - {path: /c, name: second, retention: 30d, retention-check-interval: 1h, levels: [{interval: 1m}], required: false, verify-interval: 2h, lease: {ttl: 10s, owner: me}, mirror: /m.db, auto-recover: true, validation: {interval: 5m}}\n';
    expect(findingsOf(text)).toEqual([]);
    const [entry] = settingsOf(text).databases;
    expect(entry?.settings).toMatchObject({ backlog: { bytes: 1024 ** 3, ageMs: 7_200_000 }, autoRecover: true });
    const [first, second] = entry?.replicas ?? [];
    expect(first?.maintenance).toEqual({
      levels: [
        { level: 1, intervalMs: 10_000 },
        { level: 2, intervalMs: 120_000 },
      ],
      snapshotIntervalMs: 6 * 3_600_000,
      snapshotRetentionMs: 7 * 86_400_000,
      level0RetentionMs: 0,
      level0CheckMs: 15_000,
      deletes: false,
      verifyCompaction: false,
    });
    expect(first).not.toHaveProperty('proofIntervalMs');
    expect(second).toMatchObject({
      role: 'best-effort',
      proofIntervalMs: 7_200_000,
      lease: { ttlMs: 10_000, owner: 'me' },
      mirror: '/m.db',
      maintenance: {
        levels: [{ level: 1, intervalMs: 60_000 }],
        snapshotRetentionMs: 30 * 86_400_000,
        retentionCheckMs: 3_600_000,
        validationMs: 300_000,
      },
    });
  });

  test('a destination may change with the date, in the zone that is asked for', () => {
    const text = `date-zone: Pacific/Kiritimati\ndbs:\n  - path: /a.db\n    replicas:\n      - path: /b/$(date +%Y-%m-%d)/a.db\n      - url: file:///c/$(date +%G-%V)\n        date-zone: UTC\n`;
    const [first, second] = settingsOf(text).databases[0]?.replicas ?? [];
    expect(first?.dated).toEqual({ template: '/b/$(date +%Y-%m-%d)/a.db', zone: 'Pacific/Kiritimati' });
    expect(first?.store.path).toMatch(/^\/b\/\d{4}-\d\d-\d\d\/a\.db$/);
    expect(second?.dated).toEqual({ template: '/c/$(date +%G-%V)', zone: 'UTC' });
    expect(second?.store.path).toMatch(/^\/c\/\d{4}-\d\d$/);
    expect(settingsFromText(text, 'c.yml', { expandEnv: false }, {}).databases[0]?.replicas[0]?.store.path).toBe(
      '/b/$(date +%Y-%m-%d)/a.db',
    );
  });

  test('a mirror that is a database, another mirror, or lies in a replica is refused', () => {
    const mirrors = (...paths: readonly string[]) =>
      `dbs:\n  - path: /a.db\n    replicas:\n${paths.map((mirror, index) => `      - {path: /r${index}, name: n${index}, mirror: ${mirror}}\n`).join('')}`;
    expect(findingsOf(mirrors('/m0.db', '/m1.db'))).toEqual([]);
    for (const paths of [['/a.db'], ['/m.db', '/m.db'], ['/r0/x.db'], ['/.a.db-litestream/x']])
      expect(() => settingsOf(mirrors(...paths)), paths.join()).toThrow(/the mirror/);
  });

  test('LITESTREAM_RETENTION is the default of retention, below everything in the file', () => {
    const retention = (text: string) =>
      settingsFromText(text, 'c.yml', { expandEnv: true }, { LITESTREAM_RETENTION: '3d' }).databases[0]?.replicas[0]?.maintenance
        ?.snapshotRetentionMs;
    expect(retention(DB)).toBe(3 * 86_400_000);
    expect(retention(`snapshot: {retention: 1h}\n${DB}`)).toBe(3_600_000);
    expect(() => settingsFromText(DB, 'c.yml', { expandEnv: true }, { LITESTREAM_RETENTION: 'soon' })).toThrow(/LITESTREAM_RETENTION/);
  });

  test('more than eight levels, a level without an interval and a lease that is too short are errors; no levels at all a warning', () => {
    const levels = (list: string) => `levels: ${list}\n${DB}`;
    expect(() => settingsOf(levels(`[${'{interval: 1m},'.repeat(9)}]`))).toThrow(/at most 8/);
    expect(() => settingsOf(levels('[{}]'))).toThrow(/a level needs an interval/);
    expect(() => settingsOf(`lease: {ttl: 1s}\n${DB}`)).toThrow(/at least/);
    expect(findingsOf(levels('[]'))).toHaveLength(1);
  });

  test('an original file with only mcp-addr gives a loopback, read-only server without a token', () => {
    expect(settingsOf(`mcp-addr: ":3001"\n${DB}`).mcp).toMatchObject({
      address: { host: '127.0.0.1', port: 3001, text: ':3001', anyHost: true },
      readOnly: true,
    });
  });

  test('the deprecated list of one replica works, and so do anchors and merges', () => {
    const text = 'x: &defaults\n  sync-interval: 10s\ndbs:\n  - path: /a.db\n    replicas:\n      - <<: *defaults\n        path: /b\n';
    expect(settingsOf(text).databases[0]?.replicas[0]).toMatchObject({ syncIntervalMs: 10_000, store: { path: '/b' } });
  });

  test('global replica values are defaults, a value of the replica wins', () => {
    const text =
      'sync-interval: 5s\nmax-sync-ltx-files: 0\ndbs:\n  - path: /a.db\n    replicas:\n      - path: /b\n      - {path: /c, sync-interval: 200ms, max-sync-ltx-files: 3}\n';
    const [entry] = settingsOf(text).databases;
    expect(entry?.replicas.map(({ name, syncIntervalMs, maxSyncFiles }) => [name, syncIntervalMs, maxSyncFiles])).toEqual([
      ['file', 5000, Number.POSITIVE_INFINITY],
      ['file-2', 200, 3],
    ]);
    expect(entry?.settings.monitorIntervalMs).toBe(200);
  });

  test('booleans, integers and durations have all the forms of the original', () => {
    const text = `strict: no\nlogging: {stderr: "true"}\nshutdown-sync-timeout: 1m30s\nlag-budget: 1d\n${DB}    truncate-page-n: -1\n    max-sync-wal-bytes: 0\n    min-checkpoint-page-count: 0x10\n`;
    const settings = settingsOf(text);
    expect(settings).toMatchObject({ logging: { stderr: true }, shutdown: { timeoutMs: 90_000 }, lagBudgetMs: 86_400_000 });
    expect(settings.databases[0]?.settings).toMatchObject({
      truncatePages: Number.POSITIVE_INFINITY,
      maxSyncWALBytes: Number.POSITIVE_INFINITY,
      minCheckpointPages: 16,
    });
  });

  test('truncate-page-n: nothing and 0 mean the default, only a negative value switches the brake off (row 30)', () => {
    const pagesOf = (line: string) => settingsOf(`${DB}${line}`).databases[0]?.settings.truncatePages;
    expect(pagesOf('')).toBe(121_359);
    expect(pagesOf('    truncate-page-n: 0\n')).toBe(121_359);
    expect(pagesOf('    truncate-page-n: 7\n')).toBe(7);
    expect(pagesOf('    truncate-page-n: -1\n')).toBe(Number.POSITIVE_INFINITY);
  });

  test('a bare number as duration means nanoseconds, and says loudly so', () => {
    const text = DB.replace('path: /backups/app', 'path: /backups/app\n      sync-interval: 10');
    expect(settingsOf(text).databases[0]?.replicas[0]?.syncIntervalMs).toBe(10 / 1e6);
    expect(findingsOf(text)).toEqual([
      'c.yml:5:22: dbs[0].replica.sync-interval: a duration without a unit means nanoseconds; did you mean "10s"?',
    ]);
  });

  test('file URLs and sqlite:// paths mean what the original makes of them', () => {
    const text =
      'dbs:\n  - path: sqlite:///srv/x.db\n    replica:\n      url: file:///b/my%20dir?x=1\n  - path: ~/y.sqlite\n    replica: {url: "file://c/d"}\n';
    const [first, second] = settingsOf(text, { HOME: '/home/me' }).databases;
    expect(first?.settings.path).toBe('/srv/x.db');
    expect(first?.replicas[0]?.store.path).toBe('/b/my%20dir');
    expect(second?.settings).toMatchObject({ path: '/home/me/y.sqlite', name: 'y' });
    expect(second?.replicas[0]?.store.path).toBe('/c/d');
  });

  test('relative paths are below the working directory', () => {
    const [entry] = settingsOf('dbs:\n  - path: ./d/a.db\n    replica: {path: ./b}\n').databases;
    expect(entry?.settings.path).toBe(join(process.cwd(), 'd/a.db'));
    expect(entry?.replicas[0]?.store.path).toBe(join(process.cwd(), 'b'));
  });

  test('settings are frozen to the bottom', () => {
    const settings = settingsOf(DB);
    expect(Object.isFrozen(settings.databases[0]?.replicas[0]?.store)).toBe(true);
  });
});

describe('findings', () => {
  test.each([
    ['an unknown key names the closest known one', `adr: ":1"\n${DB}`, 'c.yml:1:1: adr: unknown key, did you mean "addr"?'],
    ['a camel-case key is recognised', `syncInterval: 1s\n${DB}`, 'c.yml:1:1: syncInterval: unknown key, did you mean "sync-interval"?'],
    ['a key nothing resembles is just unknown', `frobnicate: 1\n${DB}`, 'c.yml:1:1: frobnicate: unknown key'],
    ['a key two levels down has its full path', `${DB}      pth: /x\n`, 'c.yml:5:7: dbs[0].replica.pth: unknown key, did you mean "path"?'],
    ['a key written twice', `addr: ":1"\naddr: ":2"\n${DB}`, 'c.yml:2:1: addr: the key is written twice; the last one counts'],
    ['an unset variable', `exec: run \${APP} now\n${DB}`, 'c.yml:1:7: exec: $APP is not set and becomes nothing'],
    [
      'a v0.3 key names its successor',
      `${DB}    max-checkpoint-page-count: 3\n`,
      'c.yml:5:32: dbs[0].max-checkpoint-page-count: this key has no effect any more; use truncate-page-n',
    ],
    [
      'a doubtful log level',
      `logging:\n  level: loud\n${DB}`,
      'c.yml:2:10: logging.level: "loud" is not a log level and counts as info; levels are trace, debug, info, warn, error',
    ],
    ['a second document', `${DB}---\nx: 1\n`, 'c.yml:5:1: only the first document of the file is read'],
    [
      'a url that contradicts the type',
      `dbs:\n  - path: /a.db\n    replica: {type: s3, url: "file:///b"}\n`,
      'c.yml:3:21: dbs[0].replica.type: type "s3" is ignored; the url says file',
    ],
    [
      'a replica inside another one',
      'dbs:\n  - {path: /a.db, replica: {url: "gs://b/p"}}\n  - {path: /b.db, replica: {url: "gs://b/p/q"}}\n',
      'c.yml:3:28: dbs[1].replica: gs://b/p/q lies inside gs://b/p, the replica of /a.db',
    ],
    ['a short token', `mcp: {token: "\${T}"}\n${DB}`, 'c.yml:1:14: mcp.token: the token has fewer than 16 characters and can be guessed'],
    [
      'a lag budget below the cadence',
      `lag-budget: 1s\nsync-interval: 1m\n${DB}`,
      'c.yml:1:13: lag-budget: shorter than the longest sync-interval: that replica counts as behind most of the time',
    ],
  ])('%s', (_, text, wanted) => {
    expect(findingsOf(text, { T: 'short' })).toEqual([wanted]);
  });

  test('a variable that is used many times is told once', () => {
    expect(findingsOf(`exec: $APP\naddr: ":1$APP"\n${DB}`)).toEqual(['c.yml:1:7: exec: $APP is not set and becomes nothing']);
  });

  test('nothing is expanded with -no-expand-env', () => {
    expect(settingsOf(`exec: run \${APP:-x} $1\n${DB}`, {}, { expandEnv: false })).toMatchObject({
      exec: 'run ${APP:-x} $1',
      findings: [],
    });
  });

  test('a variable cannot change the structure of the file', () => {
    const settings = settingsOf(`exec: $X\n${DB}`, { X: 'a: b\nmcp: {read-only: false} # "' });
    expect(settings.exec).toBe('a: b\nmcp: {read-only: false} # "');
    expect(settings.mcp.readOnly).toBe(true);
  });

  test('strict mode makes every finding an error and lists all of them', () => {
    const text = `adr: 1\nlogin: 2\n${DB}`;
    for (const error of [
      errorOf(`strict: true\n${text}`),
      errorOf(text, { LITESTREAM_STRICT: '1' }),
      errorOf(text, {}, { strict: true }),
    ]) {
      expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
      expect(error.message).toMatch(/has 2 problems \(strict mode\):\n.*adr: unknown key.*\n.*login: unknown key/);
    }
    expect(settingsOf(`strict: true\n${text}`, {}, { strict: false }).findings).toHaveLength(2);
    expect(settingsOf(`strict: true\n${text}`, { LITESTREAM_STRICT: 'false' }).findings).toHaveLength(2);
  });
});

describe('errors', () => {
  test.each([
    ['broken YAML has line and column', 'dbs:\n  - path: "x\n', /^c\.yml:3:1: this is not YAML: Missing closing "quote/],
    ['a tab as indent', 'dbs:\n\t- path: x\n', /^c\.yml:2:\d+: this is not YAML: /],
    ['a text instead of a mapping', 'hello', 'c.yml:1:1: a configuration is a mapping of keys such as "dbs:"'],
    ['a null list item', 'dbs:\n  -\n', 'c.yml:2:4: dbs[0]: this must be a mapping, but is empty'],
    [
      'a null replica in a list',
      'dbs:\n  - path: /a.db\n    replicas: [null]\n',
      'c.yml:3:16: dbs[0].replicas[0]: this must be a mapping, but is empty',
    ],
    ['a list where a text is expected', `exec: [a, b]\n${DB}`, 'c.yml:1:7: exec: this must be a single value, but is a list'],
    ['a single value where a list is expected', 'dbs: x', 'c.yml:1:6: dbs: this must be a list, but is a single value'],
    [
      'a duration without sense',
      `shutdown-sync-timeout: soon\n${DB}`,
      'c.yml:1:24: shutdown-sync-timeout: "soon" is not a duration such as 500ms, 10s, 1h30m or 7d',
    ],
    ['a duration that must be positive', `sync-interval: 0s\n${DB}`, 'c.yml:1:16: sync-interval: "0s" must be greater than 0'],
    [
      'a monitor-interval that would stop all syncs',
      `${DB}    monitor-interval: -1s\n`,
      'c.yml:5:23: dbs[0].monitor-interval: "-1s" must be greater than 0',
    ],
    [
      'a fraction where a whole number is expected',
      `max-sync-ltx-files: 1.5\n${DB}`,
      'c.yml:1:21: max-sync-ltx-files: "1.5" is not a whole number',
    ],
    ['an unknown word', `logging: {type: xml}\n${DB}`, 'c.yml:1:17: logging.type: "xml" is not one of text, json, pretty'],
    [
      'an unknown scope',
      `mcp:\n  token-scopes: [read, all]\n${DB}`,
      'c.yml:2:24: mcp.token-scopes[1]: "all" is not one of read, data, operate, restore',
    ],
    [
      'a database in memory',
      DB.replace('/srv/app.db', '":memory:"'),
      /^c\.yml:2:11: dbs\[0\]\.path: ":memory:" is not a database file: only a file in WAL mode/,
    ],
    ['an empty path', DB.replace('/srv/app.db', '""'), /^c\.yml:2:11: dbs\[0\]\.path: "" is not a database file/],
    [
      'a path that is a URL',
      DB.replace('/srv/app.db', 's3://b/x'),
      /"s3:\/\/b\/x" is a URL, where the path of a database file is expected$/,
    ],
    ['a database without a path', 'dbs:\n  - replica: {path: /b}\n', 'c.yml:2:5: dbs[0]: a database needs a path, or a dir and a pattern'],
    ['a database without a replica', 'dbs:\n  - path: /a.db\n', 'c.yml:2:5: dbs[0]: a database needs a replica: nothing would be saved'],
    [
      'both replica forms',
      `${DB}    replicas:\n      - path: /c\n`,
      'c.yml:4:7: dbs[0].replica: replica and replicas are both given; use one of them',
    ],
    [
      'a replica without a path',
      DB.replace('path: /backups/app', 'type: file'),
      'c.yml:4:7: dbs[0].replica: a file replica needs a path: the directory to write to',
    ],
    [
      'path and url together',
      `${DB}      url: file:///x\n`,
      'c.yml:4:13: dbs[0].replica.path: path and url are both given; use one of them',
    ],
    ['a URL as path', DB.replace('/backups/app', 's3://b/x'), 'c.yml:4:13: dbs[0].replica.path: a URL belongs under the key "url"'],
    [
      'the scheme of a store that nobody knows',
      DB.replace('path: /backups/app', 'url: ftp://b/x'),
      'c.yml:4:12: dbs[0].replica.url: "ftp" is not the scheme of a store; there are file, s3, gs, gcs, abs, sftp, webdav, webdavs, nats, oss',
    ],
    [
      'a store that is misspelt',
      DB.replace('path: /backups/app', 'type: sftb'),
      'c.yml:4:13: dbs[0].replica.type: "sftb" is not a store type, did you mean "sftp"?',
    ],
    [
      'a store that nobody knows',
      DB.replace('path: /backups/app', 'type: floppy'),
      'c.yml:4:13: dbs[0].replica.type: "floppy" is not a store type; there are file, s3, gs, abs, sftp, webdav, nats, oss',
    ],
    [
      'age, which must never become plain text',
      `${DB}      age: {recipients: [age1x]}\n`,
      /^c\.yml:5:\d+: dbs\[0\]\.replica\.age\.recipients\[0\]: this age recipient is mistyped or cut/,
    ],
    [
      'a date without a year',
      DB.replace('/backups/app', '/b/$(date +%m-%d)'),
      'c.yml:4:13: dbs[0].replica.path: the date in "/b/$(date +%m-%d)" needs the year (%Y): without it the same name comes again',
    ],
    [
      'a date where none can be',
      DB.replace('/srv/app.db', '/srv/$(date +%Y).db'),
      'c.yml:2:11: dbs[0].path: "/srv/$(date +%Y).db": a date may only stand in path and url of a replica; write $$( for the text itself',
    ],
    ['a command in a value', `exec: echo $(id)\n${DB}`, /^c\.yml:1:7: exec: "\$\(id\)" is a shell command/],
    [
      'an address without a port',
      `addr: localhost\n${DB}`,
      'c.yml:1:7: addr: "localhost" is not an address such as 127.0.0.1:9090 or :9090',
    ],
    [
      'an open MCP address without a token',
      `mcp-addr: 0.0.0.0:3001\n${DB}`,
      /^c\.yml:1:11: mcp-addr: 0\.0\.0\.0:3001 can be reached from outside this machine, which needs a token/,
    ],
    [
      'one database twice',
      `${DB}  - path: /srv/../srv/app.db\n    replica: {path: /c}\n`,
      /^c\.yml:5:11: dbs\[1\]\.path: \/srv\/app\.db is listed twice; to have two replicas/,
    ],
    [
      'one destination twice',
      `${DB}  - path: /srv/b.db\n    replica: {path: /backups/../backups/app}\n`,
      /^c\.yml:6:14: dbs\[1\]\.replica: \/backups\/app is already a replica of \/srv\/app\.db/,
    ],
    [
      'one prefix of a bucket twice, however it is written',
      'dbs:\n  - {path: /a.db, replica: {url: "s3://b/p"}}\n  - {path: /b.db, replica: {type: s3, bucket: b, path: p}}\n',
      /^c\.yml:3:\d+: dbs\[1\]\.replica: s3:\/\/b\/p is already a replica of \/a\.db/,
    ],
    [
      'a database inside a replica',
      `${DB}  - path: /backups/app/x.db\n    replica: {path: /c}\n`,
      'c.yml:5:11: dbs[1].path: the database /backups/app/x.db lies inside the replica /backups/app',
    ],
    ['a replica inside local state', DB.replace('/backups/app', '/srv/.app.db-litestream/r'), /lie inside each other$/],
    [
      'two databases of one name',
      `${DB}    name: a\n  - {path: /c.db, name: a, replica: {path: /d}}\n`,
      'c.yml:6:25: dbs[1].name: another database has the same name',
    ],
    [
      'two replicas of one name',
      'dbs:\n  - path: /a.db\n    replicas:\n      - {path: /b, name: x}\n      - {path: /c, name: x}\n',
      'c.yml:5:26: dbs[0].replicas[1].name: another replica of this database has the same name',
    ],
    ['a required variable', `exec: \${X:?what to run}\n${DB}`, 'c.yml:1:7: exec: $X is not set: what to run'],
    [
      'aliases that multiply',
      `a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n`,
      /nested too deeply or repeats itself/,
    ],
  ])('%s', (_, text, wanted) => {
    const [first] = errorLines(text);
    if (typeof wanted === 'string') expect(first).toBe(wanted);
    else expect(first).toMatch(wanted);
  });

  test('thousands of databases are held against each other by looking up, not in pairs', { timeout: 240_000 }, () => {
    const entries = Array.from({ length: 2000 }, (_, at) => `  - {path: /srv/x/${at}.db, replica: {path: /b/${at}}}\n`);
    const settings = settingsOf(`dbs:\n${entries.join('')}`);
    expect(settings.databases).toHaveLength(2000);
    expect(settings.findings).toEqual([]);
  });

  test('all problems are told at once, in the order of the file', () => {
    expect(errorLines('addr: x\nexec: [1]\ndbs:\n  - path: ":memory:"\n').map((line) => line.split(': ')[0])).toEqual([
      'c.yml:1:7',
      'c.yml:2:7',
      'c.yml:4:5',
      'c.yml:4:11',
    ]);
  });

  test('a value that came from the environment is not repeated', () => {
    expect(errorOf(`lag-budget: $SECRET\n${DB}`, { SECRET: 'hunter2-hunter2' }).message).not.toContain('hunter2');
  });

  test('findings travel with the error as data', () => {
    expect(errorOf('addr: x').details?.findings).toEqual([
      {
        severity: 'error',
        file: 'c.yml',
        line: 1,
        column: 7,
        key: 'addr',
        message: '"x" is not an address such as 127.0.0.1:9090 or :9090',
      },
    ]);
  });
});

describe('names', () => {
  test('are short, and carry the directory where the file names collide', () => {
    const db = (path: string, more = '') => `  - {path: ${path}, replica: {path: /b${path}}${more}}\n`;
    const text =
      `dbs:\n${db('/t/acme/data.db')}${db('/t/corp/data.db')}${db('/t/my shop.sqlite')}${db('/t/x.db', ', name: main')}`.replaceAll(
        /path: ([^,}]*)/g,
        'path: "$1"',
      );
    expect(settingsOf(text).databases.map(({ settings }) => settings.name)).toEqual(['acme-data', 'corp-data', 'my-shop', 'main']);
  });
});

describe('precedence', () => {
  test('LOG_LEVEL beats logging.level, LITESTREAM_MCP_TOKEN beats mcp.token', () => {
    const settings = settingsOf(`logging: {level: error}\nmcp: {token: "$F"}\n${DB}`, {
      LOG_LEVEL: 'DEBUG',
      LITESTREAM_MCP_TOKEN: 'e'.repeat(20),
      F: 'f'.repeat(20),
    });
    expect(settings.logging.level).toBe('debug');
    expect(settings.mcp.token?.reveal()).toBe('e'.repeat(20));
    expect(settings.findings).toEqual([]);
  });

  test('with a token a host-less MCP address is open to all interfaces', () => {
    const { address } = settingsOf(`mcp-addr: :3001\n${DB}`, { LITESTREAM_MCP_TOKEN: 'e'.repeat(20) }).mcp;
    expect(address?.anyHost).toBe(true);
    expect(['::', '0.0.0.0']).toContain(address?.host);
  });
});

describe('files', () => {
  let directory: TempDirectory;
  beforeEach(async () => {
    directory = await tempDirectory();
  });
  afterEach(() => directory.remove());

  test('-config beats LITESTREAM_CONFIG', async () => {
    await writeFile(join(directory.path, 'a.yml'), 'exec: a');
    await writeFile(join(directory.path, 'b.yml'), 'exec: b');
    const env = { LITESTREAM_CONFIG: join(directory.path, 'b.yml') };
    expect((await loadSettings({ expandEnv: true, path: join(directory.path, 'a.yml') }, env)).exec).toBe('a');
    expect(await loadSettings({ expandEnv: true }, env)).toMatchObject({ exec: 'b', configPath: env.LITESTREAM_CONFIG });
  });

  test('a missing file is its own error and says which file was looked for', async () => {
    const path = join(directory.path, 'none.yml');
    await expect(loadSettings({ expandEnv: true, path }, {})).rejects.toSatisfy(
      (error) => hasCode(error, 'CONFIG_NOT_FOUND') && error.message.includes(path),
    );
  });

  test('a directory is refused as a configuration', async () => {
    await expect(loadSettings({ expandEnv: true, path: directory.path }, {})).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  test('a plain token in a file that others can read is a finding, one from the environment is not', async () => {
    const path = join(directory.path, 'c.yml');
    await writeFile(path, 'mcp:\n  token: abcdefghijklmnopqrstuvwxyz\n');
    await chmod(path, 0o644);
    expect((await loadSettings({ expandEnv: true, path }, {})).findings.map(({ message }) => message)).toEqual([
      'other users can read the token in this file: chmod 600 it, or use LITESTREAM_MCP_TOKEN',
    ]);
    await chmod(path, 0o600);
    expect((await loadSettings({ expandEnv: true, path }, {})).findings).toEqual([]);
    await writeFile(path, 'mcp:\n  token: $T\n');
    await chmod(path, 0o644);
    expect((await loadSettings({ expandEnv: true, path }, { T: 'abcdefghijklmnopqrstuvwxyz' })).findings).toEqual([]);
  });

  test('one database behind a symbolic link is found out', async () => {
    await writeFile(join(directory.path, 'a.db'), '');
    await symlink('a.db', join(directory.path, 'b.db'));
    await mkdir(join(directory.path, 'r'));
    const text = `dbs:\n  - {path: ${directory.path}/a.db, replica: {path: /r1}}\n  - {path: ${directory.path}/b.db, replica: {path: /r2}}\n`;
    expect(errorOf(text).message).toContain('is listed twice');
  });

  test('the shipped configuration is understood without a finding', async () => {
    const settings = await loadSettings({ expandEnv: true, path: 'litestream.yml' }, {});
    expect(settings).toMatchObject({
      findings: [],
      address: { text: '127.0.0.1:9090' },
      mcp: { readOnly: true, address: { text: '127.0.0.1:3001' }, gate: { restoreDirs: [join(process.cwd(), 'restored')] } },
      databases: [
        {
          settings: { name: 'app', path: join(process.cwd(), 'data/app.db') },
          replicas: [{ store: { path: join(process.cwd(), 'backups/app') } }],
        },
      ],
    });
  });

  test('the shipped configuration shows every key that is in effect', async () => {
    const text = await readFile('litestream.yml', 'utf8');
    const tables = [
      schema.TOP_KEYS,
      schema.MCP_KEYS,
      schema.SOCKET_KEYS,
      schema.LOGGING_KEYS,
      schema.DATABASE_KEYS,
      schema.REPLICA_KEYS,
    ] as const;
    const keys = tables.flatMap((table) =>
      Object.entries<schema.KeySpec>(table).flatMap(([key, { state }]) => (state === undefined ? [key] : [])),
    );
    const missing = keys.filter((key) => !new RegExp(`^[ #-]*${key}:`, 'm').test(text));
    // Rarely wanted, another form of `path`, or a refusal.
    expect(missing.toSorted()).toEqual(['meta-dir', 'socket', 'url']);
  });

  test('the destinations that the shipped configuration shows are understood, also with every key they leave out', async () => {
    const text = await readFile('litestream.yml', 'utf8');
    const [, examples = ''] = text.split(/^## Destinations\.(?:.*\n)+?##$/m);
    const body = examples.replaceAll(/^## ?/gm, '');
    const variables = (lines: string) =>
      Object.fromEntries([...lines.matchAll(/\$\{(\w+)/g)].map(([, name = '']) => [name, `value-of-${name}`]));
    const load = (destinations: string) =>
      settingsFromText(
        `dbs:\n  - path: ./data/app.db\n    replicas:\n${destinations}`,
        'c.yml',
        { expandEnv: true },
        variables(destinations.replaceAll(/^ +# .*$/gm, '')),
      );
    const shown = load(body);
    expect(shown.findings).toEqual([]);
    expect(shown.databases[0]?.replicas.map(({ store }) => store.type)).toEqual(['s3', 'gs', 'abs', 'sftp', 'webdav', 'nats', 'oss']);
    // Those left out exclude each other at most: none is unknown or of a wrong form.
    const every = () => load(body.replaceAll(/^( +)# (?=[a-z0-9-]+:)/gm, '$1'));
    expect(every).toThrow(/exclude each other/);
    for (const line of errorOfCall(every))
      expect(line).toMatch(/exclude each other|two ways to log in|cannot be read from|not 32 bytes|host key is a line/);
  });

  test('a comment of the shipped configuration shows a date as it is written in a path', async () => {
    const text = await readFile('litestream.yml', 'utf8');
    expect(text).toContain('$(date +%Y-%m-%d) in a path');
    expect(text).not.toContain('$$(');
    expect((await loadSettings({ expandEnv: true, path: 'litestream.yml' }, {})).findings).toEqual([]);
  });

  test('every commented key of the shipped configuration shows its true default', async () => {
    const source = await readFile('litestream.yml', 'utf8');
    const active = await loadSettings({ expandEnv: true, path: 'litestream.yml' }, {});
    // Without what has no default: names of files and programs, and the token.
    const text = source
      .replaceAll(/^(\s*)# ((?:\s*)[a-z0-9-]+:.*)$/gm, '$1$2')
      .replaceAll(/^\s*(?:exec|token|token-file|audit-log|retention-check-interval|mirror|age):.*$/gm, '');
    const { origins: _, ...shown } = settingsFromText(text, 'litestream.yml', { expandEnv: true }, {});
    const { origins: __, ...real } = active;
    expect({ ...shown, configPath: '' }).toEqual({ ...real, configPath: '' });
  });
});

describe('settingsForArguments', () => {
  test('takes a database and its replicas, without listeners', () => {
    const settings = settingsForArguments('/srv/x.db', ['file:///b', 'file:///c'], {});
    expect(settings.databases[0]?.replicas.map(({ name, store }) => [name, store.path])).toEqual([
      ['file', '/b'],
      ['file-2', '/c'],
    ]);
    expect(settings.databases[0]?.settings).toMatchObject({ name: 'x', path: '/srv/x.db', metaPath: '/srv/.x.db-litestream' });
    expect(settings.address).toBeUndefined();
    expect(settings.mcp.address).toBeUndefined();
  });

  test('refuses what it cannot use', () => {
    expect(() => settingsForArguments(':memory:', ['file:///b'], {})).toThrow(/only a file in WAL mode/);
    expect(() => settingsForArguments('/x.db', ['ftp://b/c'], {})).toThrow(/"ftp" is not the scheme of a store; there are file, s3, gs/);
  });
});
