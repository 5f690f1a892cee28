/** `replicate`: start-up, signals, -once and -exec over a daemon of the test's own. */

import { EventEmitter, once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ERROR_CODES, errorToData, LitestreamError } from '../../src/base/errors.ts';
import { runReplicate } from '../../src/cli/commands/replicate.ts';
import type { Daemon } from '../../src/cli/door.ts';
import { parseFlags } from '../../src/cli/flags.ts';
import { REPLICATE_FLAGS } from '../../src/cli/replicate-settings.ts';
import type { Settings } from '../../src/config/settings.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';
import { type Answers, FakeDoor } from './fake-door.ts';

const AS_OF = '2026-03-01T12:00:00.000Z';
const T1 = '0000000000000001';
type Left = Awaited<ReturnType<Daemon['stop']>>;

let directory: TempDirectory;
beforeEach(async () => {
  directory = await tempDirectory();
});
afterEach(() => directory.remove());

interface Scene {
  readonly config?: string;
  readonly answers?: Answers;
  /** What the first `stop` resolves with; by default nothing is left. */
  readonly stop?: () => Promise<Left>;
  readonly starting?: (signal: AbortSignal) => Promise<void>;
}

/** Runs `replicate` with a signal source of its own. */
function stage(scene: Scene, ...args: string[]) {
  const signals = new EventEmitter();
  const events: string[] = [];
  let settings: Settings | undefined;
  const databasePath = join(directory.path, 'app.db');
  const config = scene.config ?? `dbs:\n  - {path: ${databasePath}, replica: {path: ${directory.path}/r}}\n`;
  const answers: Answers = {
    databases: () => ({
      as_of: AS_OF,
      databases: [
        {
          name: 'app',
          path: databasePath,
          state: 'waiting',
          replicas: [{ name: 'file', type: 'file', destination: `${directory.path}/r`, state: 'starting' }],
        },
      ],
      page: { returned: 1 },
    }),
    status: () => ({ as_of: AS_OF, databases: [{ name: 'app', path: databasePath, state: 'replicating', replicas: [] }] }),
    ...scene.answers,
  };
  let stops = 0;
  const door = new FakeDoor({
    config,
    answers,
    start: async (given, signal, control) => {
      settings = given;
      events.push('start');
      await scene.starting?.(signal);
      return {
        control,
        addresses: {
          socket: '/run/x.sock',
          ...(given.address ? { metrics: '127.0.0.1:9090' } : {}),
          ...(given.mcp.address ? { mcp: '127.0.0.1:3001' } : {}),
        },
        maintain: async () => void events.push('maintain'),
        stop: async () => {
          events.push('stop');
          signals.emit('stopping');
          stops += 1;
          return stops === 1 ? ((await scene.stop?.()) ?? []) : [];
        },
      };
    },
  });
  const result = (async () => {
    const { values, positionals } = parseFlags(args, REPLICATE_FLAGS);
    return runReplicate(values, positionals, door, signals);
  })().then(
    (status) => ({ status, error: undefined }),
    (error: unknown) => ({ status: ERROR_CODES[errorToData(error).code].exit, error }),
  );
  return { result, signals, door, events, databasePath, settings: () => settings };
}

const printed = async (door: FakeDoor, text: string): Promise<void> => {
  while (!door.out.includes(text)) await new Promise((resolve) => setImmediate(resolve));
};

describe('a daemon', () => {
  test('prints what runs and what to type next, then stops at the first signal', async () => {
    const { result, signals, door, events } = stage({
      config: `addr: 127.0.0.1:9090\nmcp-addr: ":3001"\ndbs:\n  - {path: ${directory.path}/app.db, replica: {path: ${directory.path}/r}}\n`,
    });
    await printed(door, 'next');
    expect(door.out).toMatch(
      /^litestream 0\.1\.0 is running\n\n {2}database {3}app {2}\S+\/app\.db {2}\(waiting: it does not exist yet\)\n {4}replica {2}file {2}\S+\/r, at most every 1s\n/,
    );
    expect(door.out).toContain('  metrics    http://127.0.0.1:9090/metrics\n');
    expect(door.out).toContain(
      '  mcp        http://127.0.0.1:3001/mcp, read-only, this machine only (set LITESTREAM_MCP_TOKEN to open it to other machines)\n',
    );
    expect(door.out).toContain('  next       litestream status -config /etc/litestream.yml\n');
    signals.emit('SIGTERM');
    expect(await result).toMatchObject({ status: 0 });
    expect(events).toEqual(['start', 'stop']);
    expect(signals.eventNames()).toEqual([]);
  });

  test('says what sets a replica apart', async () => {
    const replicas = `[{name: a, path: "${directory.path}/$(date +%Y)/a", required: false}, {name: b, path: ${directory.path}/b, mirror: ${directory.path}/m.db, lease: {owner: here}}]`;
    const { result, signals, door } = stage({ config: `dbs:\n  - {path: ${directory.path}/app.db, replicas: ${replicas}}\n` });
    await printed(door, 'next');
    expect(door.out).toMatch(/replica {2}a {2}\S+, at most every 1s, best-effort, dated by \S+\/\$\(date \+%Y\)\/a\n/);
    expect(door.out).toMatch(/replica {2}b {2}\S+, at most every 1s, with a lease as here, mirror \S+\/m\.db\n/);
    signals.emit('SIGTERM');
    await result;
  });

  test('whose last changes did not arrive exits 5 and names them', async () => {
    const { result, signals, door } = stage({
      stop: async () => [{ database: 'app', replica: 'file', error: 'STORAGE_UNAVAILABLE: down' }],
    });
    await printed(door, 'next');
    signals.emit('SIGINT');
    const { status, error } = await result;
    expect(status).toBe(5);
    expect(String(error)).toContain('app: file: STORAGE_UNAVAILABLE: down');
  });

  test('stops a second time when a second signal comes, which skips the waiting', async () => {
    const waiting = Promise.withResolvers<Left>();
    const { result, signals, door, events } = stage({ stop: () => waiting.promise });
    await printed(door, 'next');
    signals.emit('SIGINT');
    await once(signals, 'stopping');
    signals.emit('SIGTERM');
    waiting.resolve([]);
    await result;
    expect(events).toEqual(['start', 'stop', 'stop']);
    expect(door.err).toContain('Skipping');
  });

  test('that is still starting is interrupted by a signal', async () => {
    const { result, signals } = stage({
      starting: (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    });
    while (signals.listenerCount('SIGTERM') === 0) await new Promise((resolve) => setImmediate(resolve));
    signals.emit('SIGTERM');
    expect((await result).error).toMatchObject({
      code: 'CANCELLED',
      message: 'interrupted while starting; nothing was replicated in this run',
    });
  });

  test('that came up although a signal was there is stopped again', async () => {
    const { result, events, signals } = stage({ starting: async () => void signals.emit('SIGTERM') });
    expect(await result).toMatchObject({ status: 1 });
    expect(events).toEqual(['start', 'stop']);
  });

  test('is stopped by a signal that comes while it introduces itself, and -exec is not begun', async () => {
    for (const args of [[], ['-exec', 'false']]) {
      const scene = stage(
        { answers: { databases: () => ({ as_of: AS_OF, databases: [], page: { returned: Number(scene.signals.emit('SIGTERM')) - 1 } }) } },
        ...args,
      );
      expect(await scene.result).toMatchObject({ status: 0 });
      expect(scene.events).toEqual(['start', 'stop']);
    }
  });

  test('that cannot introduce itself is stopped before the error is told', async () => {
    const failing: Answers = {
      databases: () => {
        throw new LitestreamError('INTERNAL', 'broken');
      },
    };
    const { result, events } = stage({ answers: failing });
    expect(await result).toMatchObject({ status: 1, error: { message: 'broken' } });
    expect(events).toEqual(['start', 'stop']);
  });

  test('keeps stdout for the log when the log is JSON', async () => {
    const { result, signals, door } = stage({
      config: `logging: {type: json}\ndbs:\n  - {path: ${directory.path}/a.db, replica: {path: /r}}\n`,
    });
    while (!door.err.includes('next')) await new Promise((resolve) => setImmediate(resolve));
    signals.emit('SIGINT');
    await result;
    expect(door.out).toBe('');
  });
});

describe('flags', () => {
  test('win over the configuration', async () => {
    const { result, signals, door, settings } = stage(
      { config: `logging: {level: error}\ndbs:\n  - {path: ${directory.path}/a.db, replica: {path: /r}}\n` },
      '-log-level',
      'trace',
      '-restore-if-db-not-exists',
    );
    await printed(door, 'next');
    signals.emit('SIGINT');
    await result;
    expect(settings()).toMatchObject({ logging: { level: 'trace' }, databases: [{ restoreIfMissing: true }] });
  });

  test.each([
    [['/a.db'], 2, 'a replica URL is needed for /a.db'],
    [['/a.db', '/b'], 2, '"/b" is not a replica URL'],
    [['-config', 'x', '/a.db', 'file:///b'], 2, 'leave out -config'],
    [['/a.db', 'file:///b', '-exec', 'x'], 2, 'flags go before'],
    [['-force-snapshot'], 2, '-force-snapshot needs -once'],
    [['-once', '-exec', 'x'], 2, 'exclude each other'],
    [['-log-level', 'loud'], 2, '-log-level is'],
    [['-exec', 'a; b'], 2, 'unquoted ";"'],
    [['-enforce-retention'], 2, '-enforce-retention needs -once'],
  ])('%j is refused before anything starts', async (args, status, message) => {
    const { result, events } = stage({}, ...args);
    const outcome = await result;
    expect(String(outcome.error)).toContain(message);
    expect(outcome.status).toBe(status);
    expect(events).toEqual([]);
  });

  test('a configuration all of whose databases are disabled is refused with every reason', async () => {
    const config =
      'dbs:\n  - {path: /a.db, replica: {path: /r/$NOWHERE}}\n  - {path: /b.db, replica: {type: s3, bucket: b, access-key-id: i}}\n';
    const { result, events } = stage({ config });
    expect(await result).toMatchObject({
      status: 3,
      error: { message: expect.stringMatching(/a: .*\$NOWHERE is not set.*\n.*b: .*half of a pair/) },
    });
    expect(events).toEqual([]);
  });

  test('a configuration without databases is refused', async () => {
    expect(await stage({ config: '' }).result).toMatchObject({ status: 3 });
  });

  test('a database and its URLs need no configuration', async () => {
    const { result, signals, door, settings } = stage({}, '/a.db', 'file:///b', 'file:///c');
    await printed(door, 'next');
    signals.emit('SIGINT');
    await result;
    expect(settings()?.databases[0]?.replicas).toHaveLength(2);
    expect(door.out).toContain('  next       litestream status\n');
  });
});

describe('-once', () => {
  const sync: Answers['sync'] = ({ path }) => ({
    as_of: AS_OF,
    mode: 'done',
    database: path,
    status: 'synced',
    txid: T1,
    replicas: [],
    duration_ms: 1,
  });

  test('syncs every database without listeners, reports, and leaves', async () => {
    await writeFile(join(directory.path, 'app.db'), '');
    const scene = stage(
      {
        config: `addr: :1\nmcp-addr: ":2"\ndbs:\n  - {path: ${directory.path}/app.db, replica: {path: ${directory.path}/r}}\n`,
        answers: { sync },
      },
      '-once',
      '-force-snapshot',
    );
    expect(await scene.result).toMatchObject({ status: 0 });
    expect(scene.events).toEqual(['start', 'stop']);
    expect(scene.door.calls.at(-1)).toMatchObject({ name: 'sync', input: { path: scene.databasePath, wait: true, snapshot: true } });
    expect(scene.door.out).toMatch(new RegExp(`^database +status +txid\\n\\S+/app\\.db +synced +${T1}\\n$`));
    expect(scene.settings()?.address).toBeUndefined();
    expect(scene.settings()?.mcp.address).toBeUndefined();
  });

  test('a disabled database makes it fail, after the others are uploaded', async () => {
    const path = join(directory.path, 'app.db');
    await writeFile(path, '');
    const config = `dbs:\n  - {path: ${path}, replica: {path: ${directory.path}/r}}\n  - {path: /b.db, replica: {path: /r/$NOWHERE}}\n`;
    let synced = 0;
    const counted: Answers['sync'] = () => {
      synced += 1;
      return { as_of: AS_OF, mode: 'done', database: path, status: 'synced', txid: T1, replicas: [] };
    };
    const { result } = stage({ config, answers: { sync: counted } }, '-once');
    expect(await result).toMatchObject({ status: 3, error: { message: expect.stringContaining('database b is disabled') } });
    expect(synced).toBe(1);
  });

  test('with -enforce-retention does what is due at the replicas, after everything is uploaded', async () => {
    await writeFile(join(directory.path, 'app.db'), '');
    const scene = stage({ answers: { sync } }, '-once', '-enforce-retention');
    expect(await scene.result).toMatchObject({ status: 0 });
    expect(scene.events).toEqual(['start', 'maintain', 'stop']);
  });

  test('a missing database is nothing to replicate: exit 4, and the daemon is stopped', async () => {
    const { result, events } = stage({ answers: { sync } }, '-once');
    expect(await result).toMatchObject({ status: 4 });
    expect(events).toEqual(['start', 'stop']);
  });

  test('gives up on a replica that refuses everything for the shutdown time, and skips the waiting', async () => {
    const path = join(directory.path, 'app.db');
    await writeFile(path, '');
    const error = { code: 'ACCESS_DENIED', message: 'put refused', at: AS_OF, attempts: 3 };
    const { result, events } = stage(
      {
        config: `shutdown-sync-timeout: 0s\ndbs:\n  - {path: ${path}, replica: {path: ${directory.path}/r}}\n`,
        answers: {
          sync: (_, { signal }) => new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
          status: () => ({
            as_of: AS_OF,
            databases: [
              { name: 'app', path, state: 'failing', replicas: [{ name: 'file', type: 'file', state: 'failing', last_error: error }] },
            ],
          }),
        },
      },
      '-once',
    );
    expect(await result).toMatchObject({ status: 5, error: { message: expect.stringContaining('replica file of ') } });
    expect(events).toEqual(['start', 'stop', 'stop']);
  });

  const notReady = () => {
    throw new LitestreamError('DB_NOT_READY', 'it is not known yet what the replicas hold');
  };

  function failingWith(
    code: string,
    more: { readonly never_answered?: true; readonly hint?: string } = {},
  ): NonNullable<Answers['status']> {
    const path = join(directory.path, 'app.db');
    const error = { code, message: 'the test says no', at: AS_OF, attempts: 1, ...more };
    const replicas = [{ name: 'file', type: 'file', state: 'failing' as const, last_error: error }];
    return () => ({ as_of: AS_OF, databases: [{ name: 'app', path, state: 'failing', replicas }] });
  }

  test.each(['ACCESS_DENIED', 'SECOND_WRITER'])('gives up at once on a replica without whose answer %s nothing can begin', async (code) => {
    await writeFile(join(directory.path, 'app.db'), '');
    const scene = stage({ answers: { sync: notReady, status: failingWith(code) } }, '-once');
    expect(await scene.result).toMatchObject({ status: 5, error: { message: expect.stringContaining(`${code}: the test says no`) } });
    expect(scene.door.calls.filter(({ name }) => name === 'sync')).toHaveLength(1);
  });

  test.each([
    ['before anything can begin', notReady],
    [
      'while it is waited for',
      (_: unknown, { signal }: { readonly signal: AbortSignal }) =>
        new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    ],
  ] as const)('gives up at once on a destination that never answered and will not, %s, and says why', async (_, sync) => {
    await writeFile(join(directory.path, 'app.db'), '');
    const status = failingWith('STORAGE_UNAVAILABLE', { never_answered: true, hint: 'Look at the endpoint.' });
    const scene = stage({ answers: { sync, status } }, '-once');
    expect(await scene.result).toMatchObject({
      status: 5,
      error: { message: expect.stringContaining('STORAGE_UNAVAILABLE: the test says no'), hint: 'Look at the endpoint.' },
    });
    expect(scene.events).toEqual(['start', 'stop', 'stop']);
  });

  test('waits for a replica that only fails, and syncs when it is back', async () => {
    await writeFile(join(directory.path, 'app.db'), '');
    let tries = 0;
    const answers: Answers = {
      status: failingWith('STORAGE_UNAVAILABLE'),
      sync: (input, call) => (++tries < 3 ? notReady() : sync(input, call)),
    };
    const scene = stage({ answers }, '-once');
    expect(await scene.result).toMatchObject({ status: 0 });
    expect(tries).toBe(3);
  });

  test('gives up on a replica that fails for the shutdown time before anything can begin, and skips the waiting', async () => {
    const path = join(directory.path, 'app.db');
    await writeFile(path, '');
    const config = `shutdown-sync-timeout: 300ms\ndbs:\n  - {path: ${path}, replica: {path: ${directory.path}/r}}\n`;
    const { result, events } = stage({ config, answers: { sync: notReady, status: failingWith('STORAGE_UNAVAILABLE') } }, '-once');
    expect(await result).toMatchObject({ status: 5, error: { message: expect.stringContaining('STORAGE_UNAVAILABLE: the test says no') } });
    expect(events).toEqual(['start', 'stop', 'stop']);
  });

  test('a database that cannot be captured for a reason of its own is not waited for', async () => {
    await writeFile(join(directory.path, 'app.db'), '');
    const scene = stage({ answers: { sync: notReady } }, '-once');
    expect(await scene.result).toMatchObject({ error: { code: 'DB_NOT_READY' } });
    expect(scene.door.calls.filter(({ name }) => name === 'sync')).toHaveLength(1);
  });

  test('what did not arrive counts more than the call that failed', async () => {
    await writeFile(join(directory.path, 'app.db'), '');
    const scene = stage(
      {
        answers: {
          sync: () => {
            throw new LitestreamError('STORAGE_UNAVAILABLE', 'down');
          },
        },
        stop: async () => [{ database: 'app', replica: 'file', error: 'down' }],
      },
      '-once',
    );
    expect(await scene.result).toMatchObject({ status: 5 });
  });
});

describe('-exec', () => {
  const node = (script: string) => `${process.execPath} -e '${script}'`;

  test.each([
    ['its exit status becomes ours', 'process.exit(7)', 7],
    ['143 after a signal is a status like any other', 'process.exit(143)', 143],
    ['death by a signal is 128 and its number', 'process.kill(process.pid, 9)', 137],
    ['success is 0', '', 0],
  ])('%s, after a final sync', async (_, script, wanted) => {
    const { result, events } = stage({}, '-exec', node(script));
    expect(await result).toMatchObject({ status: wanted });
    expect(events).toEqual(['start', 'stop']);
  });

  test('5 wins when the last changes did not arrive', async () => {
    expect(await stage({ stop: async () => [{ database: 'app', replica: 'file', error: 'x' }] }, '-exec', node('')).result).toMatchObject({
      status: 5,
    });
  });

  test('the program starts only when the databases are open', async () => {
    let polls = 0;
    const marker = join(directory.path, 'app.db');
    const { result, door } = stage(
      {
        answers: {
          status: () => ({
            as_of: AS_OF,
            databases: [{ name: 'app', path: marker, state: ++polls < 3 ? 'starting' : 'replicating', replicas: [] }],
          }),
        },
      },
      '-exec',
      node('process.exit(0)'),
    );
    await result;
    expect(door.calls.filter(({ name }) => name === 'status').length).toBeGreaterThanOrEqual(4);
  });

  test('a signal is passed on, and what the program answers is our status', async () => {
    const ready = join(directory.path, 'ready');
    const { result, signals, events } = stage(
      {},
      '-exec',
      node(`process.on("SIGTERM", () => process.exit(9)); setInterval(() => {}, 1000); require("node:fs").writeFileSync("${ready}", "")`),
    );
    await exists(ready);
    signals.emit('SIGTERM');
    expect(await result).toMatchObject({ status: 9 });
    expect(events).toEqual(['start', 'stop']);
  });

  test('a second signal kills a program that does not end, and the final sync still runs', async () => {
    const ready = join(directory.path, 'ready');
    const { result, signals, events } = stage(
      {},
      '-exec',
      node(`process.on("SIGTERM", () => {}); setInterval(() => {}, 1000); require("node:fs").writeFileSync("${ready}", "")`),
    );
    await exists(ready);
    signals.emit('SIGTERM');
    signals.emit('SIGINT');
    expect(await result).toMatchObject({ status: 137 });
    expect(events).toEqual(['start', 'stop']);
  });

  test('a program that cannot be started is said, and the daemon is stopped', async () => {
    const { result, events } = stage({}, '-exec', '/no/such/program');
    expect(await result).toMatchObject({ status: 2, error: { message: 'the program "/no/such/program" cannot be started' } });
    expect(events).toEqual(['start', 'stop']);
  });
});

async function exists(path: string): Promise<void> {
  const { access } = await import('node:fs/promises');
  for (;;) {
    try {
      return await access(path);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
