/** `restore`: what is asked of the verb for which command line, and what is printed. */

import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { RestoreOutput } from '../../src/control/verbs/restore-schema.ts';
import { type Answers, FakeDoor, type FakeOptions } from './fake-door.ts';

const CONFIG =
  'dbs:\n  - {path: /srv/app.db, replica: {path: /b/app}}\n  - path: /srv/blog.db\n    replicas:\n      - {path: /b/blog, name: near}\n      - {path: /b/far, name: far}\n';
const AS_OF = '2026-03-01T12:00:00.000Z';
const T1 = '0000000000000001';
const T2 = '00000000000000a4';

function done(output: string): RestoreOutput {
  return {
    as_of: AS_OF,
    mode: 'done',
    restored: {
      output,
      database: output,
      replica: 'file',
      txid: T2,
      time: AS_OF,
      size_bytes: 4096,
      pages: 1,
      integrity_check: 'ok',
      duration_ms: 1500,
      replanned: false,
    },
  };
}

function planned(output: string): RestoreOutput {
  return {
    as_of: AS_OF,
    mode: 'plan',
    plan: {
      database: output,
      replica: 'near',
      replica_type: 'file',
      format: 'ltx',
      generation: 'ltx',
      asked: {},
      reached: { txid: T2, time: AS_OF },
      output,
      files: 1,
      bytes_to_read: 120,
      integrity_check: 'quick',
      file_list: [{ level: 9, name: `${T1}-${T2}.ltx`, min_txid: T1, max_txid: T2, size: 120, timestamp: AS_OF }],
    },
  };
}

const answers: Answers = { restore: ({ output = '', dry_run }) => (dry_run === true ? planned(output) : done(output)) };
const run = async (options: FakeOptions, ...args: string[]) => {
  const door = new FakeDoor({ config: CONFIG, answers, ...options });
  return { ...(await door.run('restore', ...args)), door, inputs: door.calls.map(({ input }) => input) };
};

describe('one database', () => {
  test('is restored to its own path, beside the daemon, and says what came of it', async () => {
    const { status, out, inputs, door } = await run({}, '/srv/app.db');
    expect(status).toBe(0);
    expect(inputs).toEqual([{ path: '/srv/app.db', output: '/srv/app.db' }]);
    expect(door.calls[0]?.attached).toBe('offline');
    expect(out).toBe(`Restored /srv/app.db to ${T2} (${AS_OF}): 1 page, 4.1 kB in 1.5s, integrity check ok\n`);
  });

  test('hands every flag to the verb', async () => {
    const { inputs } = await run(
      {},
      '-o',
      '/tmp/x.db',
      '-txid',
      'a4',
      '-replica',
      'far',
      '-if-db-not-exists',
      '-if-replica-exists',
      '-force',
      '-integrity-check',
      'full',
      'blog',
    );
    expect(inputs).toEqual([
      {
        path: '/srv/blog.db',
        output: '/tmp/x.db',
        txid: 'a4',
        replica: 'far',
        if_db_not_exists: true,
        if_replica_exists: true,
        force: true,
        integrity_check: 'full',
      },
    ]);
    expect((await run({}, '-timestamp', '-15m', '-generation', '0123456789abcdef', '-index', '1f', 'app')).inputs).toEqual([
      { path: '/srv/app.db', output: '/srv/app.db', timestamp: '-15m', generation: '0123456789abcdef', index: 31 },
    ]);
  });

  test('-json has the fields of the original', async () => {
    expect(JSON.parse((await run({}, '-json', 'app')).out)).toMatchObject({
      db_path: '/srv/app.db',
      replica: 'file',
      txid: T2,
      duration_ms: 1500,
      integrity_check: 'quick',
    });
  });

  test('-dry-run prints the plan and its files', async () => {
    const { out, inputs } = await run({}, '-dry-run', '-o', '/tmp/x.db', 'app');
    expect(inputs).toEqual([{ path: '/srv/app.db', output: '/tmp/x.db', dry_run: true }]);
    expect(out).toContain('source:      /srv/app.db\ntarget:      /tmp/x.db\nreplica:     file (near)\n');
    expect(out).toContain(`level  file`);
    expect(JSON.parse((await run({}, '-dry-run', '-json', 'app')).out)).toMatchObject({
      source: '/srv/app.db',
      target_path: '/srv/app.db',
      replica: 'file',
      min_txid: T1,
      max_txid: T2,
      files: [{ level: 9, name: `${T1}-${T2}.ltx`, min_txid: T1, max_txid: T2, size: 120, timestamp: '2026-03-01T12:00:00Z' }],
    });
  });

  test('nothing to do is success and is said', async () => {
    const nothing: Answers = { restore: () => ({ as_of: AS_OF, mode: 'nothing_to_do', reason: 'the output exists' }) };
    expect(await run({ answers: nothing }, '-if-db-not-exists', 'app')).toMatchObject({
      status: 0,
      out: 'Nothing to do for /srv/app.db: the output exists\n',
    });
    expect(JSON.parse((await run({ answers: nothing }, '-if-db-not-exists', '-json', 'app')).out)).toEqual({
      db_path: '/srv/app.db',
      status: 'nothing_to_do',
      reason: 'the output exists',
    });
  });

  test.each([
    ['NO_SNAPSHOT', 4],
    ['OUTPUT_EXISTS', 1],
    ['TX_NOT_AVAILABLE', 4],
  ] as const)('%s exits %d', async (code, status) => {
    const failing: Answers = {
      restore: () => {
        throw new LitestreamError(code, 'no');
      },
    };
    expect((await run({ answers: failing }, 'app')).status).toBe(status);
  });
});

describe('a replica URL', () => {
  test('with -o needs no configuration', async () => {
    const door = new FakeDoor({ answers });
    expect((await door.run('restore', '-o', '/tmp/copy.db', 'file:///b/app')).status).toBe(0);
    expect(door.calls[0]?.input).toEqual({ path: '/tmp/copy.db', output: '/tmp/copy.db' });
  });

  test('without -o goes to the one configured database that has this replica', async () => {
    expect((await run({}, 'file:///b/far')).inputs).toEqual([{ path: '/srv/blog.db', output: '/srv/blog.db', replica: 'far' }]);
  });

  test('without -o and without a match is answered with the command to type', async () => {
    const { status, err } = await run({}, 'file:///b/elsewhere');
    expect(status).toBe(2);
    expect(err).toBe(
      'Error: no configured database has the replica file:///b/elsewhere\nTry: litestream restore -o /path/to/db file:///b/elsewhere\n',
    );
    expect(await new FakeDoor({ answers }).run('restore', 'file:///b/app')).toMatchObject({
      status: 2,
      err: expect.stringContaining('Try: litestream restore -o'),
    });
  });
});

describe('every configured database', () => {
  test('is planned before the first is written', async () => {
    const { status, inputs, out } = await run({});
    expect(status).toBe(0);
    expect(inputs.map((input) => ({ ...(input as object) }))).toEqual([
      { path: '/srv/app.db', output: '/srv/app.db', dry_run: true },
      { path: '/srv/blog.db', output: '/srv/blog.db', dry_run: true },
      { path: '/srv/app.db', output: '/srv/app.db' },
      { path: '/srv/blog.db', output: '/srv/blog.db' },
    ]);
    expect(out).toMatch(/^database +result +txid +message\n\/srv\/app\.db +restored/);
  });

  test('one plan that fails leaves everything as it is', async () => {
    const one: Answers = {
      restore: ({ path, output = '' }) => {
        if (path === '/srv/blog.db') throw new LitestreamError('OUTPUT_EXISTS', '/srv/blog.db exists');
        return planned(output);
      },
    };
    const { status, out, err, inputs } = await run({ answers: one });
    expect(status).toBe(1);
    expect(inputs).toHaveLength(2);
    expect(out).toMatch(/app\.db +not done .*\n\/srv\/blog\.db +failed +- +\/srv\/blog\.db exists\n$/);
    expect(err).toBe('Nothing was written: not every database could be planned\n');
  });

  test('a failure while restoring does not keep the others from being restored, and is the exit status', async () => {
    const late: Answers = {
      restore: ({ path, output = '', dry_run }) => {
        if (dry_run === true) return planned(output);
        if (path === '/srv/app.db') throw new LitestreamError('NO_SNAPSHOT', 'gone meanwhile');
        return done(output);
      },
    };
    const { status, out } = await run({ answers: late }, '-json');
    expect(status).toBe(4);
    expect(JSON.parse(out)).toMatchObject({
      failed: 1,
      databases: [{ status: 'failed', error: { code: 'NO_SNAPSHOT' } }, { status: 'restored' }],
    });
  });

  test('databases with nothing to do are left alone', async () => {
    const partly: Answers = {
      restore: ({ path, output = '', dry_run }) => {
        if (path === '/srv/app.db') return { as_of: AS_OF, mode: 'nothing_to_do', reason: 'it exists' };
        return dry_run === true ? planned(output) : done(output);
      },
    };
    const { status, out, inputs } = await run({ answers: partly }, '-if-db-not-exists');
    expect({ status, calls: inputs.length }).toEqual({ status: 0, calls: 3 });
    expect(out).toMatch(/app\.db +skipped/);
  });

  test('cannot all go to one file', async () => {
    expect((await run({}, '-o', '/tmp/x.db')).status).toBe(2);
  });

  test('needs a configuration', async () => {
    expect(await new FakeDoor({ answers }).run('restore')).toMatchObject({
      status: 2,
      err: expect.stringContaining('a database path or a replica URL is needed'),
    });
  });
});

describe('refused', () => {
  test.each([
    [['-txid', '1', '-timestamp', AS_OF, 'app'], 2, '-txid and -timestamp exclude each other'],
    [['-integrity-check', 'deep', 'app'], 2, '-integrity-check is one of none, quick, full'],
    [['app', 'blog'], 2, 'too many arguments: blog'],
    [['app', '-o', 'x'], 2, 'flags go before'],
    [['-follow-interval', '1s', 'app'], 2, '-follow-interval goes with -f'],
    [['-f', '-txid', '1', 'app'], 2, '-f and -txid exclude each other'],
    [['-f', '-timestamp', AS_OF, 'app'], 2, '-f and -timestamp exclude each other'],
    [['-f', '-dry-run', 'app'], 2, '-f and -dry-run exclude each other'],
    [['-f', '-force', 'app'], 2, 'Following never replaces a database'],
    [['-f', '-follow-interval', 'soon', 'app'], 2, 'is not a duration'],
    [['-f'], 2, 'several databases are configured'],
    [['-o', 'x', '-config', 'c.yml', 'file:///b'], 2, 'leave out -config'],
    [['-index', 'zz', 'app'], 2, '-index is a number in hex'],
  ])('%j', async (args, status, message) => {
    const result = await run({}, ...args);
    expect(result.err).toContain(message);
    expect(result).toMatchObject({ status, out: '', inputs: [] });
  });
});

test('-parallelism is accepted with a notice', async () => {
  expect(await run({}, '-parallelism', '8', 'app')).toMatchObject({
    status: 0,
    err: 'Warning: -parallelism is deprecated and has no effect\n',
  });
});
