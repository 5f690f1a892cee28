/** The daemon's private socket: the same answers as here, for nobody but its owner. */

import { spawn } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { createServer as createRawServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { silentLogger } from '../../src/base/log.ts';
import { SCOPES } from '../../src/control/caller.ts';
import type { Control, VerbName } from '../../src/control/control.ts';
import type { CallContext } from '../../src/control/verb.ts';
import { type AttachOptions, attachControl, pingSocket } from '../../src/http/socket-client.ts';
import { findDaemon } from '../../src/http/socket-discovery.ts';
import { livingSockets, makeSocketPath } from '../../src/http/socket-path.ts';
import { type SocketServerOptions, serveSocket } from '../../src/http/socket-server.ts';
import { by, codeOf, makeSetting, model, person, refusal, type SettingOptions, temporaryDirectory } from '../control/setting.ts';
import { settle } from '../support/fake-clock.ts';

async function serve(control: Control, rules: Partial<SocketServerOptions['rules']> = {}, attach: AttachOptions = {}) {
  const root = temporaryDirectory();
  const path = makeSocketPath({ env: { XDG_RUNTIME_DIR: root }, temporary: root });
  const server = await serveSocket({ path, control, version: '1.2.3', log: silentLogger, rules: { user: 'me', readOnly: true, ...rules } });
  const client = attachControl(path, attach);
  onTestFinished(async () => {
    await client.close();
    await server.close();
  });
  return { root, path, server, client };
}

async function served(options: SettingOptions = {}, ...more: [Partial<SocketServerOptions['rules']>?, AttachOptions?]) {
  const setting = await makeSetting(options);
  return { ...setting, ...(await serve(setting.control, ...more)) };
}

/** A control whose one call does what a test says. */
function fakeControl(call: (name: string, input: unknown, context: CallContext) => Promise<unknown>): Control {
  return { attached: 'daemon', call: call as Control['call'], close: async () => {} };
}

const cli = { ...person, principal: 'cli:someone' };

describe('equality', () => {
  test.each([
    ['info', {}],
    ['version', {}],
    ['databases', {}],
    ['status', { path: 'app' }],
    ['points', {}],
    ['generations', {}],
    ['snapshots', {}],
    ['ltx', { limit: 2 }],
    ['restore_plan', { path: 'app', output: '/x/y.db' }],
    ['restore', { path: 'app', dry_run: true }],
    ['sync', { path: 'app' }],
    ['job', { job_id: 'job_none' }],
    ['cancel', { job_id: 'job_none' }],
    ['points', { path: 'nobody' }],
    ['status', { config: 'x' }],
  ] as const)('%s %j answers the same over the socket and here', async (name, input) => {
    const { control, client } = await served();
    const outcome = (there: Control) =>
      there.call(name, input as never, by({ ...cli, principal: 'cli:me' })).then(
        (value) => ({
          value: { ...(JSON.parse(JSON.stringify(value).replace(/"free_bytes":\d+/, '"free_bytes":0')) as object), duration_ms: 0 },
        }),
        (error: LitestreamError) => ({ code: error.code, message: error.message, hint: error.hint, details: error.details }),
      );
    expect(client.attached).toBe('daemon');
    expect(await outcome(client)).toEqual(await outcome(control));
  });

  test('progress arrives in order', async () => {
    const { client } = await serve(
      fakeControl(async (_name, _input, { progress }) => {
        for (let done = 0; done < 5; done++) progress?.({ phase: 'fetch', done, total: 5, unit: 'bytes', message: 'x' });
        return {};
      }),
    );
    const seen: number[] = [];
    await client.call('info', {}, by(cli, { progress: ({ done }) => seen.push(done) }));
    expect(seen).toEqual([0, 1, 2, 3, 4]);
  });

  test('an answer of several megabytes arrives whole', async () => {
    const { client } = await serve(fakeControl(async () => ({ text: 'ü'.repeat(3_000_000) })));
    expect(await client.call('info', {}, by(cli))).toEqual({ text: 'ü'.repeat(3_000_000) });
  });

  test('a hundred calls at once all get their own answer', async () => {
    const { client } = await serve(fakeControl(async (_name, input) => input));
    const answers = await Promise.all(Array.from({ length: 100 }, (_, n) => client.call('job', { job_id: String(n) }, by(cli))));
    expect(answers).toEqual(Array.from({ length: 100 }, (_, n) => ({ job_id: String(n) })));
  });
});

describe('who calls', () => {
  const whoami = fakeControl(async (_name, _input, { caller }) => caller);
  const claim = { principal: 'cli:root', scopes: SCOPES, readOnly: false, operator: true } as const;

  test('the command line is the operator the socket belongs to, whatever name it gives', async () => {
    const { client } = await serve(whoami);
    expect(await client.call('info', {}, by({ ...claim, door: 'cli' }))).toMatchObject({
      principal: 'cli:me',
      operator: true,
      readOnly: false,
    });
  });

  test.each(['mcp-stdio', 'mcp-http'] as const)('%s never becomes an operator and reads only', async (door) => {
    const { client } = await serve(whoami);
    expect(await client.call('info', {}, by({ ...claim, door }))).toEqual({
      principal: 'stdio:me',
      door: 'mcp-stdio',
      scopes: ['read'],
      readOnly: true,
      operator: false,
    });
  });

  test('a token gives its scopes, narrowed by what is claimed, and its name', async () => {
    const authenticate = (token: string) =>
      token === 'lsm_good' ? { name: 'ann', scopes: ['read', 'restore'] as const, databases: ['app'] } : undefined;
    const { client, path } = await serve(whoami, { readOnly: false, authenticate }, { token: 'lsm_good' });
    expect(await client.call('info', {}, by({ ...claim, door: 'mcp-stdio' }))).toEqual({
      principal: 'ann',
      door: 'mcp-stdio',
      scopes: ['read', 'restore'],
      readOnly: false,
      operator: false,
      databases: ['app'],
    });
    expect(await client.call('info', {}, by({ ...claim, door: 'mcp-stdio', scopes: ['read'], readOnly: true }))).toMatchObject({
      scopes: ['read'],
      readOnly: true,
    });
    expect(await client.call('info', {}, by({ ...claim, door: 'cli' }))).toMatchObject({ principal: 'cli:me', operator: true });
    const stranger = attachControl(path, { token: 'lsm_bad' });
    expect(await codeOf(stranger.call('info', {}, by({ ...claim, door: 'mcp-stdio' })))).toBe('UNAUTHORIZED');
    await stranger.close();
  });

  test('a stdio caller cannot restore past the gate', async () => {
    const { client, root } = await served({}, { readOnly: false });
    const stdio = by({ ...claim, door: 'mcp-stdio' });
    const plan = await client.call('restore', { path: 'app' }, stdio);
    expect(plan.execute).toMatchObject({ allowed: false, reason: 'SCOPE_REQUIRED' });
    expect(await codeOf(client.call('restore', { path: 'app', force: true }, stdio))).toBe('USAGE');
    expect(await codeOf(client.call('restore', { plan_id: plan.plan?.plan_id }, stdio))).toBe('SCOPE_REQUIRED');
    expect(readdirSync(join(root, 'litestream'))).toHaveLength(1);
  });
});

describe('asking a person', () => {
  test('goes to the client and back', async () => {
    const { client } = await serve(
      fakeControl(async (_name, _input, { confirm }) => ({
        answer: await confirm?.({ planId: 'rp_1', message: 'sure?', action: 'restore' }),
      })),
    );
    for (const answer of ['accepted', 'declined', 'dismissed'] as const) {
      const confirm: CallContext['confirm'] = async (question) => (question.message === 'sure?' ? answer : 'unavailable');
      expect(await client.call('restore', {}, by(model, { confirm }))).toEqual({ answer });
    }
    const broken: CallContext['confirm'] = () => Promise.reject(new Error('no window'));
    expect(await client.call('restore', {}, by(model, { confirm: broken }))).toEqual({ answer: 'dismissed' });
  });

  test('is not offered for a client that cannot', async () => {
    const { client } = await serve(fakeControl(async (_name, _input, { confirm }) => ({ can: confirm !== undefined })));
    expect(await client.call('restore', {}, by(model))).toEqual({ can: false });
  });
});

describe('ends', () => {
  const endless = () => {
    const state: { reason: unknown; running: boolean } = { reason: undefined, running: false };
    const control = fakeControl(
      (_name, _input, { signal }) =>
        new Promise((_, reject) => {
          state.running = true;
          signal.addEventListener('abort', () => {
            state.reason = signal.reason;
            reject(signal.reason);
          });
        }),
    );
    return { state, control };
  };
  const until = async (condition: () => boolean) => {
    while (!condition()) await settle(1);
  };

  /** Of three: the machine may be busy, and stand still for seconds. */
  const quickest = async (took: () => Promise<number>) => Math.min(await took(), await took(), await took());

  test('a cancelled call ends here with its own reason and there within 250 ms', async () => {
    const took = async (): Promise<number> => {
      const { state, control } = endless();
      const { client } = await serve(control);
      const abort = new AbortController();
      const outcome = client.call('info', {}, by(cli, { signal: abort.signal })).catch((error: unknown) => error);
      await until(() => state.running);
      const reason = new Error('enough');
      const start = performance.now();
      abort.abort(reason);
      expect(await outcome).toBe(reason);
      await until(() => state.reason !== undefined);
      expect(state.reason).toMatchObject({ code: 'CANCELLED' });
      return performance.now() - start;
    };
    // Ten times of what is promised.
    expect(await quickest(took)).toBeLessThan(2500);
  });

  test('closing the server aborts what runs, tells the client, and removes the socket', async () => {
    const took = async (): Promise<number> => {
      const { state, control } = endless();
      const { client, server, path } = await serve(control);
      const outcome = codeOf(client.call('info', {}, by(cli)));
      await until(() => state.running);
      const start = performance.now();
      await server.close();
      const ms = performance.now() - start;
      expect(await outcome).toBe('SHUTTING_DOWN');
      expect(existsSync(path)).toBe(false);
      expect(await codeOf(client.call('info', {}, by(cli)))).toBe('DAEMON_UNREACHABLE');
      return ms;
    };
    expect(await quickest(took)).toBeLessThan(5_000);
  });

  test('closing the client ends its calls', async () => {
    const { state, control } = endless();
    const { client } = await serve(control);
    const outcome = codeOf(client.call('info', {}, by(cli)));
    await until(() => state.running);
    await client.close();
    expect(await outcome).toBe('CANCELLED');
    await until(() => state.reason !== undefined);
  });

  test('errors arrive with code, hint and details, without secrets', async () => {
    const { client } = await serve(
      fakeControl(() =>
        Promise.reject(
          new LitestreamError('ACCESS_DENIED', 'at https://u:hunter2@h/', {
            hint: 'h',
            details: { a: 1 },
            cause: new Error('lsm_abcdefghijkl'),
          }),
        ),
      ),
    );
    const error = await refusal(client.call('info', {}, by(cli)));
    expect(error).toMatchObject({ code: 'ACCESS_DENIED', message: 'at https://[redacted]@h/', hint: 'h', details: { a: 1 } });
    expect(String(error.cause)).not.toContain('lsm_');
  });
});

describe('what is sent', () => {
  const send = (path: string, method: string, url: string, body: string | Buffer = '') =>
    new Promise<{ status: number | undefined; text: string }>((resolve, reject) => {
      const sent = request({ socketPath: path, method, path: url, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
      });
      sent.on('error', reject);
      sent.end(body);
    });

  test.each([
    ['no JSON', 'POST', '/v1/call/info', '{', 'USAGE'],
    ['no caller', 'POST', '/v1/call/info', '{"input":{},"confirms":false}', 'USAGE'],
    ['an extra field', 'POST', '/v1/call/info', '{"input":{},"confirms":false,"x":1}', 'USAGE'],
    ['another method', 'GET', '/v1/call/info', '', 'USAGE'],
    ['another path', 'POST', '/', '{}', 'USAGE'],
    ['a long answer to nothing', 'POST', '/v1/answer/x', '{"answer":"yes"}', 'USAGE'],
  ])('%s is refused in words', async (_what, method, url, body, code) => {
    const { path } = await serve(fakeControl(async () => ({})));
    const { status, text } = await send(path, method, url, body);
    expect(status).toBe(400);
    expect(JSON.parse(text)).toMatchObject({ type: 'error', error: { code } });
  });

  test('a body over 4 MiB is refused', async () => {
    const { path } = await serve(fakeControl(async () => ({})));
    const answer = await send(path, 'POST', '/v1/call/info', Buffer.alloc(5 * 1024 * 1024, 0x20)).catch(() => undefined);
    // The server may close before everything is sent; either way nothing was run.
    if (answer !== undefined) expect(JSON.parse(answer.text)).toMatchObject({ error: { code: 'TOO_LARGE' } });
  });

  test('a name that is no verb is refused by control', async () => {
    const { client } = await served();
    expect(await codeOf(client.call('__proto__' as VerbName, {} as never, by(cli)))).toBe('USAGE');
  });
});

describe('the path', () => {
  test('is short, in a directory of mode 0700, the socket of mode 0600', async () => {
    const { path } = await serve(fakeControl(async () => ({})));
    expect(Buffer.byteLength(path)).toBeLessThan(108);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(path, '..')).mode & 0o777).toBe(0o700);
    expect(statSync(path).isSocket()).toBe(true);
  });

  test('falls back to a shorter directory', () => {
    const root = temporaryDirectory();
    const long = join(root, 'x'.repeat(120));
    mkdirSync(long);
    const path = makeSocketPath({ env: { XDG_RUNTIME_DIR: long }, temporary: root });
    expect(path.startsWith(join(root, 'litestream-'))).toBe(true);
  });

  test('is never in a directory that others may enter', () => {
    const root = temporaryDirectory();
    mkdirSync(join(root, 'litestream'));
    chmodSync(join(root, 'litestream'), 0o755);
    const path = makeSocketPath({ env: { XDG_RUNTIME_DIR: root }, temporary: root });
    expect(path.startsWith(join(root, 'litestream-'))).toBe(true);
  });

  test('sockets of dead processes are removed, others stay', async () => {
    const root = temporaryDirectory();
    const directory = join(root, 'litestream');
    mkdirSync(directory, { mode: 0o700 });
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.once('exit', resolve));
    for (const name of [`${child.pid}-aa.sock`, `${process.pid}-bb.sock`, 'other.sock']) writeFileSync(join(directory, name), '');
    makeSocketPath({ env: { XDG_RUNTIME_DIR: root }, temporary: root });
    expect(readdirSync(directory).sort()).toEqual([`${process.pid}-bb.sock`, 'other.sock'].sort());
  });
});

describe('finding the daemon', () => {
  /** More than any answer takes, ms. */
  const PATIENT = 60_000;
  const probeOf = (owner: { pid: number; socket?: string } | undefined, held: boolean) => async () => ({
    readOwner: () => (owner === undefined ? undefined : { ...owner, startedAt: 0 }),
    isOwned: () => held,
  });

  async function world() {
    const setting = await makeSetting({ attached: false });
    writeFileSync(join(setting.entry.settings.metaPath, 'owner.lock'), '');
    return setting;
  }

  test('nobody owns the databases: there is none, and nothing is created', async () => {
    const { entry } = await makeSetting({ attached: false });
    expect(await findDaemon([entry])).toBeUndefined();
    expect(existsSync(join(entry.settings.metaPath, 'owner.lock'))).toBe(false);
    const left = await world();
    expect(await findDaemon([left.entry], { probe: probeOf({ pid: 1, socket: '/nowhere' }, false) })).toBeUndefined();
  });

  test('the one that answers is attached to', async () => {
    const { entry } = await world();
    const { path } = await serve(fakeControl(async () => ({ here: true })));
    const found = await findDaemon([entry], { probe: probeOf({ pid: process.pid, socket: path }, true), timeoutMs: PATIENT });
    expect(await found?.call('info', {}, by(cli))).toEqual({ here: true });
    await found?.close();
  });

  test('an owner that does not answer is named, never taken for absent', async () => {
    const { entry, root } = await world();
    const silent = join(root, 's.sock');
    const server = createRawServer(() => {});
    await new Promise<void>((resolve) => server.listen(silent, resolve));
    onTestFinished(() => void server.close());
    for (const socket of [silent, join(root, 'gone.sock'), undefined]) {
      const owner = { pid: 4711, ...(socket === undefined ? {} : { socket }) };
      const error = await refusal(findDaemon([entry], { probe: probeOf(owner, true), timeoutMs: 100 }));
      expect([error.code, error.details?.pid, error.hint]).toEqual(['DAEMON_UNREACHABLE', 4711, expect.stringContaining('4711')]);
    }
    expect(await codeOf(findDaemon([entry], { probe: probeOf(undefined, true) }))).toBe('DAEMON_UNREACHABLE');
  });

  test('one that still waits for the database file owns nothing yet and is found all the same', async () => {
    const { entry } = await makeSetting({ attached: false });
    const root = temporaryDirectory();
    const place = { env: { XDG_RUNTIME_DIR: root }, temporary: root };
    const sockets = () => livingSockets(place);
    const serveFor = async (directories: readonly string[], answer: string) => {
      const control = fakeControl(async () => ({ answer }));
      const server = await serveSocket({
        path: makeSocketPath(place),
        control,
        version: '1',
        directories,
        log: silentLogger,
        rules: { readOnly: true },
      });
      onTestFinished(() => server.close());
    };
    await serveFor(['/elsewhere/.other.db-litestream'], 'wrong');
    expect(await findDaemon([entry], { sockets, timeoutMs: PATIENT })).toBeUndefined();
    await serveFor([entry.settings.metaPath], 'right');
    const found = await findDaemon([entry], { sockets, timeoutMs: PATIENT });
    expect(await found?.call('info', {}, by(cli))).toEqual({ answer: 'right' });
    await found?.close();
  });

  test('another process at the recorded socket is not the owner', async () => {
    const { entry } = await world();
    const { path } = await serve(fakeControl(async () => ({})));
    expect(await codeOf(findDaemon([entry], { probe: probeOf({ pid: 4711, socket: path }, true) }))).toBe('DAEMON_UNREACHABLE');
    const { root } = await world();
    const foreign = createServer((_request, response) => response.end('hello'));
    await new Promise<void>((resolve) => foreign.listen(join(root, 'f.sock'), resolve));
    onTestFinished(() => void foreign.close());
    expect(await codeOf(pingSocket(join(root, 'f.sock'), PATIENT))).toBe('DAEMON_UNREACHABLE');
  });

  test('the real owner lock decides', async () => {
    const { entry } = await makeSetting({ attached: false });
    const { OwnerLock } = await import('../../src/sqlite/owner-lock.ts');
    const { path } = await serve(fakeControl(async () => ({ here: true })));
    const lock = OwnerLock.acquire(entry.settings.metaPath, { pid: process.pid, socket: path, startedAt: 1 });
    const found = await findDaemon([entry], { timeoutMs: PATIENT });
    expect(await found?.call('info', {}, by(cli))).toEqual({ here: true });
    await found?.close();
    lock.release();
    expect(await findDaemon([entry])).toBeUndefined();
  });
});
