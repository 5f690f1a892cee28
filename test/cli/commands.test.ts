/** Commands over a fixture: text, JSON, exit statuses, and where their verbs run. */

import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { type Answers, FakeDoor, type FakeOptions } from './fake-door.ts';

const CONFIG = 'dbs:\n  - {path: /srv/app.db, replica: {path: /b/app}}\n  - {path: /srv/blog.db, replica: {path: /b/blog}}\n';
const ONE = 'dbs:\n  - {path: /srv/app.db, replica: {path: /b/app}}\n';
const AS_OF = '2026-03-01T12:00:00.000Z';
const T1 = '0000000000000001';
const T2 = '00000000000000a4';

const run = (options: FakeOptions, ...args: string[]) => {
  const door = new FakeDoor({ config: CONFIG, ...options });
  return door.run(...args).then((result) => ({ ...result, door }));
};

describe('the command line as a whole', () => {
  test('without a command it prints the overview and exits 2', async () => {
    const { status, out } = await run({});
    expect(status).toBe(2);
    expect(out).toContain('Usage: litestream COMMAND');
  });

  test.each([['help'], ['-h'], ['-help'], ['--help']])('%s prints the overview and exits 0', async (word) => {
    const { status, out } = await run({}, word);
    expect(status).toBe(0);
    expect(out).toMatch(/\n {2}restore +Restore a database/);
  });

  test.each([
    ['replicate'],
    ['restore'],
    ['databases'],
    ['status'],
    ['info'],
    ['ltx'],
    ['generations'],
    ['snapshots'],
    ['sync'],
    ['verify'],
    ['config'],
    ['mcp'],
    ['version'],
  ])('%s explains itself by -h and by help, with an example', async (name) => {
    const [one, two] = [await run({}, name, '-h'), await run({}, 'help', name)];
    expect(one).toMatchObject({ status: 0, err: '' });
    expect(one.out).toBe(two.out);
    expect(one.out).toMatch(new RegExp(`^Usage: litestream ${name}`));
    expect(one.out).toContain('Examples:');
  });

  test('an unknown command is answered with the nearest one', async () => {
    expect(await run({}, 'restor')).toMatchObject({
      status: 2,
      out: '',
      err: 'Error: there is no command "restor"\nTry: litestream restore\n',
    });
  });

  test('an unknown flag names those there are', async () => {
    expect(await run({}, 'status', '-nope')).toMatchObject({
      status: 2,
      err: expect.stringContaining('-config -no-expand-env -strict -json'),
    });
  });

  test('with -json an error is one JSON document on stderr', async () => {
    const { status, out, err } = await run({}, 'ltx', '-json', '-level', '12', '/srv/app.db');
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(JSON.parse(err)).toEqual({ error: { code: 'USAGE', message: '-level is 0 to 9 or all, not "12"' } });
  });

  test('a missing configuration exits 3, an unknown database 4', async () => {
    expect((await new FakeDoor().run('databases')).status).toBe(3);
    expect(await run({}, 'ltx', '/srv/nope.db')).toMatchObject({
      status: 4,
      err: 'Error: /srv/nope.db is not in /etc/litestream.yml\nHint: Configured: app (/srv/app.db), blog (/srv/blog.db)\n',
    });
  });

  test('an error that no command expected exits 1 and shows no secret', async () => {
    const answers: Answers = {
      databases: () => {
        throw new Error('dial sftp://me:hunter2@host failed');
      },
    };
    const { status, err } = await run({ answers }, 'databases');
    expect(status).toBe(1);
    expect(err).toMatch(/^Error: unexpected failure: dial sftp/);
    expect(err).not.toContain('hunter2');
  });

  test('version prints the version alone, as JSON too', async () => {
    expect(await run({}, 'version')).toMatchObject({ status: 0, out: '0.1.0\n' });
    expect(JSON.parse((await run({}, 'version', '-json')).out)).toEqual({ version: '0.1.0' });
  });
});

describe('databases', () => {
  const answers: Answers = {
    databases: ({ cursor }) =>
      cursor === undefined
        ? { as_of: AS_OF, databases: [row('app', 'replicating')], page: { returned: 1, total: 2, next_cursor: 'next' } }
        : { as_of: AS_OF, databases: [row('blog', 'waiting')], page: { returned: 1, total: 2 } },
  };
  function row(name: string, state: 'replicating' | 'waiting') {
    return {
      name,
      path: `/srv/${name}.db`,
      state,
      replicas: [{ name: 'main', type: 'file', destination: `/b/${name}`, state: 'replicating' as const }],
    };
  }

  test('lists all pages, the columns of the original first', async () => {
    expect(await run({ answers }, 'databases')).toMatchObject({
      status: 0,
      out: 'path          replica  name  state\n/srv/app.db   file     app   replicating\n/srv/blog.db  file     blog  waiting\n',
      err: '',
    });
  });

  test('as JSON begins with path and replica', async () => {
    const list = JSON.parse((await run({ answers }, 'databases', '-json')).out);
    expect(Object.keys(list[0]).slice(0, 2)).toEqual(['path', 'replica']);
    expect(list[1]).toMatchObject({ path: '/srv/blog.db', replica: 'file', name: 'blog', state: 'waiting' });
  });

  test('a doubtful configuration is mentioned on stderr only, and not with -json', async () => {
    const config = `frob: 1\n${CONFIG}`;
    expect((await run({ answers, config }, 'databases')).err).toBe(
      'Warning: /etc/litestream.yml has 1 doubtful entry; "litestream config check" shows them\n',
    );
    expect((await run({ answers, config }, 'databases', '-json')).err).toBe('');
  });

  test('a silent daemon is an error, not an empty list', async () => {
    expect(await run({ answers, daemon: 'silent' }, 'databases')).toMatchObject({ status: 1, out: '' });
  });
});

describe('status', () => {
  const answers: Answers = {
    status: () => ({
      as_of: AS_OF,
      databases: [
        { name: 'gone', path: '/nowhere/gone.db', state: 'waiting', replicas: [] },
        {
          name: 'main',
          path: import.meta.filename,
          state: 'failing',
          code: 'ACCESS_DENIED',
          message: 'put refused',
          position: { txid: T2 },
          wal: { size_bytes: 32_768 },
          replicas: [
            {
              name: 'file',
              type: 'file',
              state: 'failing',
              lag_seconds: 838.2,
              last_error: { code: 'ACCESS_DENIED', message: 'put refused', at: AS_OF, attempts: 3, hint: 'Ask for the key.' },
              role: 'best-effort',
              proof: { outcome: 'failed', at: AS_OF, reasons: ['A file is not what was written.'], last_passed: { txid: T2, at: AS_OF } },
              lease: { state: 'held', owner: 'here' },
              mirror: { path: '/srv/copy.db' },
              troubles: [{ of: 'proof', code: 'PROOF_FAILED', message: 'it does not restore', since: AS_OF }],
            },
          ],
          proof: { outcome: 'failed', at: AS_OF, replica: 'file' },
        },
        { name: 'new', path: import.meta.filename, state: 'starting', position: { txid: '0'.repeat(16) }, replicas: [] },
      ],
    }),
  };

  test('keeps the columns and words of the original and adds the state', async () => {
    const { out, err, status } = await run({ answers }, 'status');
    expect(status).toBe(0);
    expect(out.split('\n').map((line) => line.split(/ {2,}/).slice(1))).toEqual([
      ['status', 'local txid', 'wal size', 'state', 'proof'],
      ['no database', '-', '-', 'waiting', '-'],
      ['ok', T2, '33 kB', 'failing', 'failed'],
      ['not initialized', '-', '0 B', 'starting', '-'],
      [],
    ]);
    expect(err).toContain('main: replica file is failing, 838.2 s behind: ACCESS_DENIED: put refused');
    expect(err).toContain('main: replica file: proof: PROOF_FAILED: it does not restore');
    expect(err).toContain('main: replica file: hint: Ask for the key.');
  });

  test('says in a line for each replica what accompanies it, when asked', async () => {
    expect((await run({ answers }, 'status', '-replicas')).out).toContain(
      `file (file): failing, best-effort, verification failed ${AS_OF}, last proven at ${T2} ${AS_OF}, lease held (here), mirror /srv/copy.db\n`,
    );
  });

  test('as JSON has the original fields first and everything else after them', async () => {
    const list = JSON.parse((await run({ answers }, 'status', '-json')).out);
    expect(Object.keys(list[1]).slice(0, 4)).toEqual(['database', 'status', 'local_txid', 'wal_size']);
    expect(list[1]).toMatchObject({ status: 'ok', state: 'failing', replicas: [{ lag_seconds: 838.2 }] });
  });

  test('asks for the one database that is named', async () => {
    const { door } = await run({ answers }, 'status', 'blog');
    expect(door.calls).toEqual([{ name: 'status', input: { path: '/srv/blog.db' }, attached: 'daemon' }]);
    expect(door.closed).toBe(1);
  });
});

describe('info', () => {
  const zero = { replicating: 1, waiting: 0, starting: 0, degraded: 0, failing: 0, stopped: 0, disabled: 0 };
  const answers: Answers = {
    info: () => ({
      as_of: AS_OF,
      server: { version: '0.1.0', pid: 42, started_at: AS_OF, uptime_seconds: 3725.4, read_only: true, attached: 'daemon' },
      caller: { name: 'cli:x', scopes: [], confirm: 'auto' },
      databases: { total: 1, ...zero },
      worst: [],
      proof: { proven: 0, unproven: 1, failed: 0 },
      jobs: { running: 0, queued: 0 },
    }),
  };

  test('prints what the original prints', async () => {
    expect((await run({ answers }, 'info')).out).toMatch(
      /^Litestream 0\.1\.0\n {2}PID: 42\n {2}Uptime: 1h2m5s\n {2}Started at: 2026-03-01T12:00:00\.000Z\n {2}Databases: 1\n/,
    );
    expect(JSON.parse((await run({ answers }, 'info', '-json')).out)).toMatchObject({
      version: '0.1.0',
      pid: 42,
      uptime_seconds: 3725,
      started_at: AS_OF,
      database_count: 1,
    });
  });

  test('without a daemon says how to start one', async () => {
    expect(await run({ answers, daemon: 'none' }, 'info')).toMatchObject({
      status: 1,
      err: expect.stringMatching(/Try: litestream replicate -config \/etc\/litestream\.yml\n$/),
    });
  });
});

describe('listings of a replica', () => {
  const file = (level: number, min_txid: string, max_txid: string) => ({
    replica: 'file',
    level,
    min_txid,
    max_txid,
    size: 120,
    created: AS_OF,
  });
  const answers: Answers = {
    ltx: () => ({ as_of: AS_OF, files: [file(9, T1, T2), file(0, T2, T2), file(0, T1, T1)], totals: [], page: { returned: 3 } }),
    generations: () => ({
      as_of: AS_OF,
      generations: [
        {
          database: '/srv/app.db',
          replica: 'file',
          generation: 'ltx',
          format: 'ltx',
          restorable: true,
          lag_seconds: 0.4,
          start: AS_OF,
          end: AS_OF,
          min_txid: T1,
          max_txid: T2,
          snapshot_count: 1,
          file_count: 3,
          bytes: 360,
        },
      ],
      gaps: [],
    }),
    snapshots: () => ({
      as_of: AS_OF,
      snapshots: [
        {
          database: '/srv/app.db',
          replica: 'file',
          generation: 'ltx',
          format: 'ltx',
          index: '164',
          min_txid: T1,
          max_txid: T2,
          size: 120,
          created: AS_OF,
        },
      ],
      page: { returned: 1 },
    }),
  };

  test('ltx lists level 0 by default, in order, with the columns of the original', async () => {
    const { out, door } = await run({ answers }, 'ltx', '/srv/app.db');
    expect(door.calls[0]?.input).toEqual({ path: '/srv/app.db', level: 0, limit: 500 });
    expect(out).toBe(
      `level  min_txid          max_txid          size  created               replica\n0      ${T1}  ${T1}  120   2026-03-01T12:00:00Z  file\n0      ${T2}  ${T2}  120   2026-03-01T12:00:00Z  file\n9      ${T1}  ${T2}  120   2026-03-01T12:00:00Z  file\n`,
    );
  });

  test('ltx -level all asks for all levels, and its JSON has the fields of the original', async () => {
    const { out, door } = await run({ answers }, 'ltx', '-level', 'all', '-json', 'app');
    expect(door.calls[0]?.input).toEqual({ path: '/srv/app.db', limit: 500 });
    expect(JSON.parse(out)[0]).toEqual({
      level: 0,
      min_txid: T1,
      max_txid: T1,
      size: 120,
      timestamp: '2026-03-01T12:00:00Z',
      replica: 'file',
    });
  });

  test('wal is ltx with a notice on stderr where there is no data of version 0.3', async () => {
    const wal = () => ({ as_of: '2026-03-01T12:00:00.000Z', segments: [], page: { returned: 0 } });
    expect(await run({ answers: { ...answers, wal } }, 'wal', 'app')).toMatchObject({
      status: 0,
      err: 'Warning: "litestream wal" is deprecated, use "litestream ltx"\n',
      out: expect.stringMatching(/^level {2}min_txid/),
    });
  });

  test('a replica URL needs no configuration, and refuses one', async () => {
    const door = new FakeDoor({ answers });
    expect(await door.run('ltx', 'file:///b/app')).toMatchObject({ status: 0 });
    expect((await run({ answers }, 'ltx', '-config', 'x.yml', 'file:///b/app')).status).toBe(2);
  });

  test('of a URL shows the URL where a database would stand', async () => {
    const [row] = JSON.parse((await new FakeDoor({ answers }).run('snapshots', '-json', 'file:///b/app')).out);
    expect(row.database).toBe('file:///b/app');
  });

  test('sqlite://PATH is a database, not a replica', async () => {
    expect((await run({ answers }, 'ltx', 'sqlite:///srv/app.db')).door.calls[0]?.input).toMatchObject({ path: '/srv/app.db' });
  });

  test('without an argument the only database is meant; with several one must be named', async () => {
    expect((await run({ answers, config: ONE }, 'ltx')).status).toBe(0);
    expect(await run({ answers }, 'ltx')).toMatchObject({
      status: 2,
      err: 'Error: several databases are configured; name one\nTry: litestream ltx /srv/app.db\n',
    });
  });

  test('a silent daemon does not keep anyone from reading the replica', async () => {
    const { status, err, door } = await run({ answers, daemon: 'silent' }, 'ltx', 'app');
    expect({ status, where: door.calls[0]?.attached }).toEqual({ status: 0, where: 'offline' });
    expect(err).toContain('does not answer');
  });

  test('generations and snapshots begin with the columns of version 0.3, and no cell has blanks', async () => {
    const [generations, snapshots] = [await run({ answers }, 'generations', 'app'), await run({ answers }, 'snapshots', 'app')];
    const [header, ...rows] = generations.out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ +/));
    expect(header?.slice(0, 5)).toEqual(['name', 'generation', 'lag', 'start', 'end']);
    expect(rows[0]).toEqual(['file', 'ltx', '400ms', '2026-03-01T12:00:00Z', '2026-03-01T12:00:00Z', 'ltx', T1, T2, '1', 'yes']);
    expect(snapshots.out.split('\n').map((line) => line.split(/ +/).slice(0, 5))).toEqual([
      ['replica', 'generation', 'index', 'size', 'created'],
      ['file', 'ltx', '164', '120', '2026-03-01T12:00:00Z'],
      [''],
    ]);
  });
});

describe('sync', () => {
  const answers: Answers = {
    sync: () => ({ as_of: AS_OF, mode: 'running', job_id: 'job_1', database: '/srv/app.db' }),
    job: () => ({
      as_of: AS_OF,
      job: {
        job_id: 'job_1',
        tool: 'litestream_sync',
        state: 'succeeded',
        created_at: AS_OF,
        result: {
          as_of: AS_OF,
          mode: 'done',
          database: '/srv/app.db',
          status: 'synced',
          txid: T2,
          replicas: [
            { name: 'file', txid: T1 },
            { name: 'far', txid: T2 },
          ],
          duration_ms: 12,
        },
      },
    }),
  };

  test('waits for the job and tells the position that every replica has', async () => {
    expect((await run({ answers }, 'sync', '-wait', 'app')).out).toBe(
      `db_path: /srv/app.db\nstatus: synced\ntxid: ${T2}\nreplica_txid: ${T1}\nduration_ms: 12\n`,
    );
  });

  test('its JSON keeps the numbers of the original beside ours in hex', async () => {
    expect(JSON.parse((await run({ answers }, 'sync', '-wait', '-json', 'app')).out)).toMatchObject({
      db_path: '/srv/app.db',
      txid: 164,
      replica_txid: 1,
      txid_hex: T2,
      duration_ms: 12,
    });
  });

  test('needs a daemon, a database and a sensible limit', async () => {
    expect((await run({ answers, daemon: 'none' }, 'sync', 'app')).status).toBe(1);
    expect((await run({ answers }, 'sync')).status).toBe(2);
    expect((await run({ answers }, 'sync', '-timeout', '0', 'app')).status).toBe(2);
    expect((await run({ answers }, 'sync', 'file:///x')).status).toBe(2);
  });

  test('a limit that passes is an error that says so', async () => {
    const slow: Answers = {
      sync: (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    };
    expect(await run({ answers: slow }, 'sync', '-timeout', '1', 'app')).toMatchObject({
      status: 1,
      err: expect.stringContaining('no answer within 1 s'),
    });
  });

  test('a job that failed is its error', async () => {
    const failed: Answers = {
      ...answers,
      job: () => ({
        as_of: AS_OF,
        job: {
          job_id: 'job_1',
          tool: 'litestream_sync',
          state: 'failed',
          created_at: AS_OF,
          error: { code: 'NOT_REPLICATED', message: 'no luck' },
        },
      }),
    };
    expect(await run({ answers: failed }, 'sync', 'app')).toMatchObject({ status: 5, err: 'Error: no luck\n' });
  });
});

describe('with a disabled database', () => {
  const config = `${CONFIG}  - {path: /srv/audit.db, replica: {path: /b/$NOWHERE}}\n`;

  test.each([['restore'], ['verify'], ['check']])('%s of all databases passes none over: it is refused', async (command) => {
    const { status, err, door } = await run({ config }, command);
    expect(status).toBe(3);
    expect(err).toContain('audit: ');
    expect(err).toContain('$NOWHERE is not set');
    expect(door.calls).toEqual([]);
  });

  test('whoever does the work decides about one that is named: a daemon may have another environment', async () => {
    const answers: Answers = {
      status: () => ({ as_of: AS_OF, databases: [{ name: 'audit', path: '/srv/audit.db', state: 'replicating', replicas: [] }] }),
    };
    expect((await run({ config, answers }, 'status', 'audit')).out).toContain('replicating');
    const { door } = await run({ config, answers }, 'status', '/srv/audit.db');
    expect(door.calls).toEqual([{ name: 'status', input: { path: '/srv/audit.db' }, attached: 'daemon' }]);
  });

  test('a command that needs one database does not take the only usable one for it', async () => {
    const two = `${ONE}  - {path: /srv/audit.db, replica: {path: /b/$NOWHERE}}\n`;
    expect(await run({ config: two }, 'generations')).toMatchObject({ status: 2, err: expect.stringContaining('several databases') });
    expect(await run({ config: two }, 'restore', '-undo')).toMatchObject({ status: 2 });
  });
});

describe('verify', () => {
  const outcomes: Record<string, 'passed' | 'failed' | 'inconclusive'> = { '/srv/app.db': 'passed', '/srv/blog.db': 'inconclusive' };
  const answers: Answers = {
    verify: ({ path = '' }) => ({
      as_of: AS_OF,
      mode: 'done',
      database: path,
      replica: 'file',
      outcome: outcomes[path] ?? 'failed',
      txid: T2,
      checks: [{ name: 'chain', outcome: 'passed', detail: '3 files' }],
      ...(path === '/srv/blog.db' ? { reason: 'no daemon' } : {}),
    }),
  };

  test('exits 0 only when everything passed', async () => {
    expect(await run({ answers }, 'verify', 'app')).toMatchObject({
      status: 0,
      out: `passed: /srv/app.db on file at ${T2}\n  chain  passed  3 files\n`,
    });
    expect(await run({ answers }, 'verify')).toMatchObject({
      status: 1,
      out: expect.stringContaining(`inconclusive: /srv/blog.db on file at ${T2}: no daemon\n`),
    });
  });

  test('hands its flags to the verb', async () => {
    const { door } = await run({ answers }, 'verify', '-txid', 'a4', '-check', 'full', '-compare', 'none', 'app');
    expect(door.calls[0]?.input).toEqual({ path: '/srv/app.db', txid: 'a4', check: 'full', compare: 'none' });
    expect((await run({ answers }, 'verify', '-check', 'deep', 'app')).status).toBe(2);
  });
});

describe('config check', () => {
  test('prints findings with their places and exits 0 when there are only warnings', async () => {
    expect(await run({ config: `frob: 1\n${ONE}` }, 'config', 'check', '-config', 'c.yml')).toMatchObject({
      status: 0,
      out: 'warning: c.yml:1:1: frob: unknown key\nc.yml: 1 database, 1 replica, 1 doubtful\n',
    });
  });

  test('exits 3 when the configuration cannot be used, and prints everything', async () => {
    const { status, out } = await run({ config: 'addr: x\nfrob: 1\n' }, 'config', 'check', '-strict');
    expect(status).toBe(3);
    expect(out.split('\n').map((line) => line.split(':')[0])).toEqual(['error', 'warning', '']);
  });

  test('exits 3 when a database is disabled, and says which and why', async () => {
    const config = `${CONFIG}  - {path: /srv/audit.db, replica: {path: /b/$NOWHERE}}\n`;
    const { status, out } = await run({ config }, 'config', 'check', '-config', 'c.yml');
    expect(status).toBe(3);
    expect(out.split('\n').slice(1)).toEqual([
      'disabled: audit (/srv/audit.db): c.yml:4:43: dbs[2].replica.path: $NOWHERE is not set and becomes nothing',
      'c.yml: 2 databases, 2 replicas, 1 disabled, 1 doubtful',
      '',
    ]);
    expect(JSON.parse((await run({ config }, 'config', 'check', '-json')).out)).toMatchObject({
      ok: false,
      disabled: [{ name: 'audit', path: '/srv/audit.db', code: 'CONFIG_INVALID', message: expect.any(String), hint: expect.any(String) }],
    });
  });

  test('-print shows every value with its origin and no secret', async () => {
    const config = `sync-interval: 5s\nmcp: {token: "$TOKEN"}\n${ONE}`;
    const token = 'tok-abcdefghijklmnop';
    const { out } = await run({ config, env: { TOKEN: token, LOG_LEVEL: 'debug' } }, 'config', 'check', '-print', '-config', 'c.yml');
    expect(out).not.toContain(token);
    expect(out).toMatch(/\n {2}token: "\*\*\*" +# c\.yml:2, environment\n/);
    expect(out).toMatch(/\n {2}level: debug +# \$LOG_LEVEL\n/);
    expect(out).toMatch(/\n {8}sync-interval: 5s +# c\.yml:1\n/);
    expect(out).toMatch(/\n {2}- path: \/srv\/app\.db +# c\.yml:4\n/);
    expect(out).toMatch(/\n {4}min-checkpoint-page-count: 500 +# default\n/);
    const json = await run({ config, env: { TOKEN: token } }, 'config', 'check', '-print', '-json');
    expect(json.out).not.toContain(token);
    expect(JSON.parse(json.out)).toMatchObject({ ok: true, findings: [], settings: { mcp: { token: '***' } } });
  });

  test('a credential inside a value is masked in findings and in the printed configuration', async () => {
    const config = `exec: "run --url https://me:hunter2hunter2@host/"\ndbs:\n  - {path: "s3://me:hunter2hunter2@bucket/x", replica: {path: /r}}\n`;
    expect((await run({ config }, 'config', 'check')).out).toMatch(/^error: .*dbs\[0\]\.path: "s3:/);
    for (const args of [['-json'], ['-print'], ['-json', '-print']]) {
      expect((await run({ config }, 'config', 'check', ...args)).out).not.toContain('hunter2');
      expect((await run({ config: config.split('\n')[0] ?? '' }, 'config', 'check', ...args)).out).not.toContain('hunter2');
    }
  });

  test('what -print shows can be read back', async () => {
    const first = await run({ config: `exec: "run # $$HOME: x"\n${CONFIG}` }, 'config', 'check', '-print', '-config', 'c.yml');
    const second = await run({ config: first.out }, 'config', 'check', '-print', '-config', 'c.yml');
    const bare = (text: string) => text.replaceAll(/ +# \S+.*$/gm, '');
    expect(bare(second.out)).toBe(bare(first.out));
  });

  test('-print shows what happens over time, from whichever level it comes, and dates that are still dates when read back', async () => {
    const config = `frob: 1
snapshot: {interval: 30s, retention: 2m}
validation: {interval: 30s}
verify-compaction: true
retention: {enabled: false}
dbs:
  - path: /srv/app.db
    replicas:
      - {path: "/r/$(date +%Y-%m-%d)/$$x", date-zone: Europe/Berlin, auto-recover: true}
`;
    const first = await run({ config }, 'config', 'check', '-print', '-config', 'c.yml');
    for (const line of [
      /\n {2}enabled: false +# c\.yml:5\n/,
      /\n {10}interval: 30s +# c\.yml:2\n/,
      /\n {8}retention: 2m0s +# c\.yml:2\n/,
      /\n {8}verify-compaction: true +# c\.yml:4\n/,
      /\n {8}validation:\n {10}interval: 30s +# c\.yml:3\n/,
      /\n {8}path: "\/r\/\$\(date \+%Y-%m-%d\)\/\$\$x" /,
      /\n {8}date-zone: Europe\/Berlin +# c\.yml:9\n/,
      /\n {8}auto-recover: true +# c\.yml:9\n/,
    ])
      expect(first.out).toMatch(line);
    const second = await run({ config: first.out }, 'config', 'check', '-print', '-config', 'c.yml');
    const bare = (text: string) => text.replaceAll(/ +# \S+.*$|^#.*$/gm, '').trim();
    expect(bare(second.out)).toBe(bare(first.out));
  });

  test('a missing word is a usage error', async () => {
    expect((await run({}, 'config')).status).toBe(2);
    expect((await run({}, 'config', 'chekc')).status).toBe(2);
  });
});

describe('mcp', () => {
  test('serves read-only with scope read unless told otherwise', async () => {
    expect((await run({}, 'mcp')).door.served).toEqual({ database: 'app', readOnly: true, scopes: ['read'] });
    expect((await run({}, 'mcp', '-read-only=false', '-scopes', 'read, restore')).door.served).toMatchObject({
      readOnly: false,
      scopes: ['read', 'restore'],
    });
    expect((await run({ config: `mcp: {read-only: false}\n${ONE}` }, 'mcp', '-read-only')).door.served).toMatchObject({ readOnly: true });
  });

  test('a flag cannot lift what the file says', async () => {
    expect(await run({ config: `mcp: {read-only: true}\n${ONE}` }, 'mcp', '-read-only=false')).toMatchObject({ status: 2, out: '' });
  });

  test('writes nothing to stdout of its own', async () => {
    expect(await run({ config: `frob: 1\n${ONE}` }, 'mcp')).toMatchObject({
      out: '',
      err: 'Warning: /etc/litestream.yml:1:1: frob: unknown key\n',
    });
  });

  test('refuses scopes that do not exist', async () => {
    expect((await run({}, 'mcp', '-scopes', 'all')).status).toBe(2);
  });
});

test('an error from a verb keeps its code, cause and hint', async () => {
  const answers: Answers = {
    ltx: () => {
      throw new LitestreamError('CONTAINER_NOT_FOUND', 'listing /b/app', { cause: new Error('ENOENT'), hint: 'Is the disk mounted?' });
    },
  };
  expect(await run({ answers }, 'ltx', 'app')).toMatchObject({
    status: 1,
    err: 'Error: listing /b/app: ENOENT\nHint: Is the disk mounted?\n',
  });
});
