/** Each verb with a running service and without one. */

import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { crc64 } from '../../src/formats/kernel/oracle/crc64.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import type { DatabaseHandle } from '../../src/service/service.ts';
import { settle } from '../support/fake-clock.ts';
import {
  ask,
  by,
  codeOf,
  instantOf,
  makeEntry,
  makeHistory,
  makeSetting,
  model,
  person,
  reader,
  refusal,
  START,
  timeOf,
} from './setting.ts';

const hex = (txid: number) => txid.toString(16).padStart(16, '0');

describe.each([{ attached: true }, { attached: false }])('attached: $attached', ({ attached }) => {
  test('info counts every database once and says who is asking', async () => {
    const { control } = await makeSetting({ attached });
    const info = await ask(control, 'info', {}, by(reader, { session: { protocol: '2026-07-28', toolsets: ['core'] } }));
    const { total, ...states } = info.databases;
    expect(total).toBe(1);
    expect(Object.values(states).reduce((a, b) => a + b)).toBe(1);
    expect(states[attached ? 'replicating' : 'stopped']).toBe(1);
    expect(info.caller).toEqual({ name: 'reader', scopes: ['read'], confirm: 'auto', toolsets: ['core'] });
    expect(info.server).toMatchObject({
      version: '1.2.3',
      read_only: true,
      attached: attached ? 'daemon' : 'offline',
      protocol: '2026-07-28',
    });
    expect(info.proof).toEqual({ proven: 0, unproven: 1, failed: 0 });
    expect(info.worst).toEqual([]);
  });

  test('version names what is written and read', async () => {
    const { control } = await makeSetting({ attached, parts: { sqliteVersion: '3.54.1' } });
    const version = await ask(control, 'version', {});
    expect(version).toMatchObject({ version: '1.2.3', node: process.versions.node, sqlite: '3.54.1', writes: { page_form: 'v3-block' } });
  });

  test('databases lists name, position and destination', async () => {
    const { control, entry } = await makeSetting({ attached });
    const { databases, page } = await ask(control, 'databases', {});
    expect(page).toEqual({ returned: 1, total: 1 });
    expect(databases).toMatchObject([
      {
        name: 'app',
        path: entry.settings.path,
        state: attached ? 'replicating' : 'stopped',
        txid: hex(6),
        replicas: [{ name: 'file', type: 'file', lag_seconds: 0 }],
      },
    ]);
    expect(databases[0]?.replicas[0]?.destination).toContain('replicas/app/file');
  });

  test('status has the position of database and replica', async () => {
    const { control } = await makeSetting({ attached, parts: { lagBudgetMs: 60_000 } });
    const { databases } = await ask(control, 'status', { path: 'app', detail: true });
    expect(databases[0]).toMatchObject({
      position: { txid: hex(6), at: instantOf(6) },
      loss_budget_seconds: 60,
      replicas: [{ name: 'file', txid: hex(6), lag_txids: 0, lag_seconds: 0 }],
      retention: { oldest_point: instantOf(1), snapshot_age_seconds: 57 },
    });
    expect(databases[0]?.checkpoint?.worst_write_lock_ms).toBe(attached ? 0.25 : undefined);
  });

  test('points are the restorable moments, newest first', async () => {
    const { control } = await makeSetting({ attached });
    const { points, coverage, replica } = await ask(control, 'points', {});
    expect(replica).toBe('file');
    expect(points.map(({ txid }) => txid)).toEqual([6, 5, 4, 3, 2, 1].map(hex));
    expect(points[0]).toMatchObject({ time: instantOf(6), width_seconds: 1, transactions: 1, level: 0, generation: 'ltx' });
    expect(points[5]).not.toHaveProperty('width_seconds');
    expect(coverage).toEqual({ oldest: instantOf(1), newest: instantOf(6), gaps: [], fine_since: instantOf(1) });
  });

  test('generations are the uninterrupted runs', async () => {
    const { control, entry } = await makeSetting({ attached });
    const { generations, gaps } = await ask(control, 'generations', {});
    expect(gaps).toEqual([]);
    expect(generations).toEqual([
      {
        database: entry.settings.path,
        replica: 'file',
        generation: 'ltx',
        format: 'ltx',
        restorable: true,
        lag_seconds: 0,
        start: instantOf(1),
        end: instantOf(6),
        min_txid: hex(1),
        max_txid: hex(6),
        snapshot_count: 2,
        file_count: 7,
        bytes: expect.any(Number),
      },
    ]);
  });

  test('snapshots are the files from TXID 1', async () => {
    const { control } = await makeSetting({ attached });
    const { snapshots } = await ask(control, 'snapshots', {});
    expect(snapshots.map(({ index, created }) => [index, created])).toEqual([
      ['3', instantOf(3)],
      ['1', instantOf(1)],
    ]);
    expect((await ask(control, 'snapshots', { generation: '3c9ac1a1ff0d22b7' })).snapshots).toEqual([]);
  });

  test('ltx lists files newest first and sums them by level', async () => {
    const { control } = await makeSetting({ attached });
    const { files, totals, page } = await ask(control, 'ltx', { limit: '3' });
    expect(files.map(({ level, max_txid }) => [level, max_txid])).toEqual([
      [0, hex(6)],
      [0, hex(5)],
      [0, hex(4)],
    ]);
    expect(totals.map(({ level, files: count }) => [level, count])).toEqual([
      [0, 6],
      [9, 1],
    ]);
    expect(page).toMatchObject({ returned: 3, total: 7 });
    expect((await ask(control, 'ltx', { level: 9 })).files).toHaveLength(1);
    expect((await ask(control, 'ltx', { level: 0, min_txid: '2', max_txid: '3' })).files).toHaveLength(2);
    expect((await ask(control, 'ltx', { level: 0, from: '-56s' })).files).toHaveLength(3);
  });

  test('a plan says what a restore would produce and leave out', async () => {
    const { control, root, entry } = await makeSetting({ attached });
    const { mode, plan, execute } = await ask(control, 'restore_plan', { path: 'app', timestamp: instantOf(4) });
    expect(mode).toBe('plan');
    expect(plan).toMatchObject({
      plan_id: expect.stringMatching(/^rp_[A-Za-z0-9_-]{22}$/),
      expires_at: new Date(timeOf(60) + 600_000).toISOString(),
      database: entry.settings.path,
      asked: { timestamp: instantOf(4) },
      reached: { txid: hex(3), time: instantOf(3) },
      short_by_seconds: 1,
      next_point: { txid: hex(4), time: instantOf(4) },
      output: join(root, 'restored', `app-${hex(3)}.db`),
      integrity_check: 'quick',
      leaves_out: { transactions: 3, since: instantOf(4) },
      free_bytes: expect.any(Number),
    });
    expect(plan?.bytes_to_write).toBeGreaterThan(0);
    expect(execute).toEqual({ allowed: true, needs: ['plan_id'], confirm: 'auto' });
  });

  test('verify proves the replica and is remembered', async () => {
    const { control } = await makeSetting({ attached });
    const proof = await ask(control, 'verify', { path: 'app', compare: 'none' });
    expect(proof).toMatchObject({ mode: 'done', outcome: 'passed', txid: hex(6), replica: 'file', recorded: true });
    expect((await ask(control, 'info', {})).proof).toMatchObject({ proven: 1, unproven: 0 });
    expect((await ask(control, 'restore_plan', { path: 'app' })).plan?.proven).toMatchObject({ txid: hex(6) });
  });

  test('only the newest state, and only for callers who may write, is recorded beside the replica', async () => {
    const { control, entry } = await makeSetting({ attached });
    const record = join(entry.replicas[0]?.store.path ?? '', 'litestream-proof.json');
    expect(await ask(control, 'verify', { path: 'app', txid: '4' })).toMatchObject({ outcome: 'passed', recorded: false });
    expect((await ask(control, 'info', {})).proof).toMatchObject({ proven: 0 });
    expect(await ask(control, 'verify', { path: 'app', compare: 'none' }, by({ ...person, readOnly: true }))).toMatchObject({
      recorded: false,
    });
    expect(existsSync(record)).toBe(false);
    expect((await ask(control, 'info', {})).proof).toMatchObject({ proven: 1 });
    expect(await ask(control, 'verify', { path: 'app', compare: 'none' })).toMatchObject({ recorded: true });
    expect(JSON.parse(readFileSync(record, 'utf8'))).toMatchObject({ replica: 'file', latest: { outcome: 'passed', tool: '1.2.3' } });
    expect((await ask(control, 'status', {})).databases[0]).toMatchObject({
      proof: { outcome: 'passed', txid: hex(6), replica: 'file' },
      replicas: [{ proof: { outcome: 'passed', txid: hex(6) } }],
    });
  });

  test('a replica that is damaged fails verification as a result, not as an error', async () => {
    const { control, entry } = await makeSetting({ attached });
    rmSync(join(entry.replicas[0]?.store.path ?? '', 'ltx', '0', `${hex(5)}-${hex(5)}.ltx`));
    const proof = await ask(control, 'verify', { path: 'app', compare: 'none' });
    expect(proof.outcome).toBe('failed');
    expect(proof.checks?.[0]).toMatchObject({ name: 'chain', outcome: 'failed' });
    expect((await ask(control, 'info', {})).proof).toMatchObject({ failed: 1 });
  });
});

test('sync compares with the replica, not with what is local', async () => {
  const same = await makeSetting();
  expect(await ask(same.control, 'sync', { path: 'app' })).toMatchObject({ mode: 'done', status: 'no_change', txid: hex(6) });
  const behind = await makeSetting({ handle: { sync: async () => ({ before: toTXID(7), after: toTXID(7) }) } });
  expect(await ask(behind.control, 'sync', { path: 'app', wait: false })).toMatchObject({ status: 'synced_local', txid: hex(7) });
});

test('sync without a daemon says how to start one', async () => {
  const { control } = await makeSetting({ attached: false });
  expect(await codeOf(ask(control, 'sync', { path: 'app' }))).toBe('DAEMON_NOT_RUNNING');
});

test('sync that takes longer than the caller waits becomes a job with the same answer', async () => {
  const gate = Promise.withResolvers<void>();
  const { control, clock } = await makeSetting({
    handle: { sync: () => gate.promise.then(() => ({ before: toTXID(5), after: toTXID(6) })) },
  });
  const asked = ask(control, 'sync', { path: 'app', wait_seconds: 5 });
  while (clock.sleeping === 0) await settle(1);
  await clock.advance(5_000);
  const { mode, job_id: id } = await asked;
  expect(mode).toBe('running');
  expect((await ask(control, 'job', { job_id: id })).job).toMatchObject({ tool: 'litestream_sync', state: 'running' });
  gate.resolve();
  const { job } = await ask(control, 'job', { job_id: id, wait_seconds: 10 });
  expect(job).toMatchObject({ state: 'succeeded', result: { status: 'no_change', txid: hex(6) } });
});

test('a failing replica is the worst thing info can tell', async () => {
  const { control } = await makeSetting({
    status: {
      state: 'failing',
      error: { code: 'ACCESS_DENIED', message: 'put refused: https://user:hunter2@host/x' },
      unprotectedSeconds: 838,
      replicas: [
        {
          name: 'file',
          type: 'file',
          destination: 'x',
          role: 'required',
          state: 'failing',
          lagSeconds: 838.2,
          pendingBytes: 1,
          lastError: {
            error: { code: 'ACCESS_DENIED', message: 'no\nsecond line', hint: 'Ask.' },
            at: START,
            attempts: 3,
            nextTryAt: timeOf(99),
          },
        },
      ],
    },
  });
  const { worst } = await ask(control, 'info', {});
  expect(worst).toMatchObject([{ database: 'app', state: 'failing', code: 'ACCESS_DENIED', lag_seconds: 838.2, unprotected_seconds: 838 }]);
  const { databases } = await ask(control, 'status', {});
  expect(JSON.stringify(databases)).not.toContain('hunter2');
  expect(databases[0]?.replicas[0]?.last_error).toEqual({
    code: 'ACCESS_DENIED',
    message: 'no',
    at: instantOf(0),
    attempts: 3,
    next_try_at: instantOf(99),
    hint: 'Ask.',
  });
});

test('offline, what a replica lacks is lag', async () => {
  const { control, entry } = await makeSetting({ attached: false });
  rmSync(join(entry.replicas[0]?.store.path ?? '', 'ltx', '0', `${hex(6)}-${hex(6)}.ltx`));
  const { databases } = await ask(control, 'status', {});
  expect(databases[0]?.replicas[0]).toMatchObject({ txid: hex(5), lag_txids: 1, lag_seconds: 54 });
});

test('offline, a replica that cannot be read is failing and does not hide the others', async () => {
  const { control, entry } = await makeSetting({
    attached: false,
    replicaNames: ['good', 'bad'],
    parts: {
      openReplica: async ({ name, store }) => {
        if (name === 'bad') throw new LitestreamError('ACCESS_DENIED', 'not permitted');
        return (await import('../../src/replica/open.ts')).openReplica(store);
      },
    },
  });
  expect(entry.replicas).toHaveLength(2);
  const { databases } = await ask(control, 'status', {});
  expect(databases[0]?.replicas).toMatchObject([
    { name: 'good', state: 'stopped' },
    { name: 'bad', state: 'failing', last_error: { code: 'ACCESS_DENIED' } },
  ]);
  const { points, warnings } = await ask(control, 'points', {});
  expect(points).toHaveLength(6);
  expect(warnings).toMatchObject([{ code: 'REPLICA_SKIPPED' }]);
  expect(await codeOf(ask(control, 'points', { replica: 'bad' }))).toBe('ACCESS_DENIED');
});

test('a missing database file is waited for', async () => {
  const { control, entry } = await makeSetting({ attached: false });
  rmSync(entry.settings.path);
  expect((await ask(control, 'databases', { state: 'waiting' })).databases).toHaveLength(1);
  expect((await ask(control, 'databases', { state: 'failing' })).databases).toHaveLength(0);
});

test('an unknown database is refused with the nearest names first', async () => {
  const { control } = await makeSetting({ entries: (own) => [makeEntry('/nowhere', 'zebra'), own, makeEntry('/nowhere', 'audit')] });
  const error = await refusal(ask(control, 'points', { path: 'ap' }));
  expect(error.code).toBe('DB_NOT_FOUND');
  expect(error.details?.valid).toEqual(['app', 'audit', 'zebra']);
  expect(await codeOf(ask(control, 'points', {}))).toBe('USAGE');
  expect(await codeOf(ask(control, 'points', { path: 'file:///etc/passwd' }))).toBe('DB_NOT_FOUND');
  expect((await refusal(ask(control, 'points', { path: 'app', replica: 's3' }))).details?.valid).toEqual(['file']);
});

test('databases outside a caller’s globs do not exist for it', async () => {
  const { control } = await makeSetting({ entries: (own) => [own, makeEntry('/nowhere', 'secret')] });
  const limited = by({ ...model, databases: ['app*'] });
  expect((await ask(control, 'databases', {}, limited)).databases.map(({ name }) => name)).toEqual(['app']);
  expect((await ask(control, 'info', {}, limited)).databases.total).toBe(1);
  for (const path of ['secret', '/nowhere/secret.db', 'SECRET']) {
    const error = await refusal(ask(control, 'status', { path }, limited));
    expect([error.code, error.details?.valid]).toEqual(['DB_NOT_FOUND', ['app']]);
  }
});

test.each([
  ['unknown key', 'status', { nonsense: 1 }, 'nonsense'],
  ['config', 'status', { config: '/etc/x' }, 'config'],
  ['limit of 0', 'databases', { limit: 0 }, 'limit'],
  ['limit of 501', 'databases', { limit: '501' }, 'limit'],
  ['words for a number', 'databases', { limit: 'ten' }, 'limit'],
  ['a time without zone', 'points', { from: '2026-01-01T00:00:00' }, 'from'],
  ['the 30th of February', 'points', { from: '2026-02-30T00:00:00Z' }, 'from'],
  ['a TXID that is none', 'ltx', { min_txid: 'xyz' }, 'min_txid'],
  ['level 10', 'ltx', { level: 10 }, 'level'],
  ['a job of nobody', 'job', { job_id: 'job_x' }, 'job_id'],
  ['txid and timestamp', 'restore_plan', { txid: '1', timestamp: '-1m' }, 'txid'],
  ['output and o that differ', 'restore_plan', { output: 'a.db', o: 'b.db' }, 'o'],
  ['force by a model', 'restore', { path: 'app', force: true }, 'force'],
  ['a bad cursor', 'ltx', { cursor: 'AAAA' }, 'cursor'],
] as const)('%s is refused by name', async (_what, verb, input, argument) => {
  const { control } = await makeSetting();
  const error = await refusal(control.call(verb, input as never, by(model)));
  expect([error.code, error.details?.argument]).toEqual(['USAGE', argument]);
  expect(error.message).toContain(argument);
});

test('pages follow one another without loss while files appear', async () => {
  const { control, entry, history } = await makeSetting();
  const { putFile } = await import('./setting.ts');
  const seen: string[] = [];
  let cursor: string | undefined;
  for (;;) {
    const { files, page } = await ask(control, 'ltx', { level: 0, limit: 2, ...(cursor === undefined ? {} : { cursor }) });
    seen.push(...files.map(({ max_txid }) => max_txid));
    cursor = page.next_cursor;
    if (cursor === undefined) break;
    putFile(entry.replicas[0]?.store.path ?? '', history, 1, 5, 6);
  }
  expect(seen).toEqual([6, 5, 4, 3, 2, 1].map(hex));
  const { page } = await ask(control, 'ltx', { level: 0, limit: 2 });
  expect(await codeOf(ask(control, 'ltx', { level: 9, limit: 2, cursor: page.next_cursor }))).toBe('USAGE');
});

test('points around a moment are the ten nearest on either side, and steps merge', async () => {
  const { control } = await makeSetting({ transactions: 40 });
  const around = await ask(control, 'points', { around: instantOf(20) });
  expect(around.points.map(({ txid }) => Number.parseInt(txid, 16))).toEqual(Array.from({ length: 20 }, (_, index) => 29 - index));
  const minutes = await ask(control, 'points', { step: 'minute' });
  expect(minutes.points).toHaveLength(1);
  expect(minutes.points[0]).toMatchObject({ txid: hex(40), transactions: 40 });
  expect((await ask(control, 'points', { limit: 10 })).points).toHaveLength(1);
});

test('a gap in the files is shown, and both sides of it', async () => {
  const { control, entry } = await makeSetting();
  rmSync(join(entry.replicas[0]?.store.path ?? '', 'ltx', '0', `${hex(5)}-${hex(5)}.ltx`));
  const { generations, gaps } = await ask(control, 'generations', {});
  expect(generations.map(({ generation, restorable }) => [generation, restorable])).toEqual([
    ['ltx', true],
    [`ltx@${hex(6)}`, false],
  ]);
  expect(gaps).toEqual([{ replica: 'file', after_txid: hex(4), before_txid: hex(6) }]);
  const error = await refusal(ask(control, 'restore_plan', { path: 'app' }));
  expect(error.code).toBe('LTX_GAP');
});

test('the best replica is the one that reaches furthest', async () => {
  const { control, entry } = await makeSetting({ replicaNames: ['old', 'new'] });
  rmSync(join(entry.replicas[0]?.store.path ?? '', 'ltx', '0', `${hex(6)}-${hex(6)}.ltx`));
  expect((await ask(control, 'points', {})).replica).toBe('new');
  expect((await ask(control, 'restore_plan', { path: 'app' })).plan?.replica).toBe('new');
  expect((await ask(control, 'restore_plan', { path: 'app', txid: '4' })).plan?.replica).toBe('old');
  expect((await ask(control, 'restore_plan', { path: 'app', replica: 'old' })).plan?.reached.txid).toBe(hex(5));
});

test('reading is open to readers; changing is not', async () => {
  const { control } = await makeSetting();
  expect(await codeOf(ask(control, 'sync', { path: 'app' }, by(reader)))).toBe('READ_ONLY');
  expect(await codeOf(ask(control, 'sync', { path: 'app' }, by({ ...reader, readOnly: false })))).toBe('SCOPE_REQUIRED');
  expect(await codeOf(ask(control, 'info', {}, by({ ...reader, scopes: [] })))).toBe('SCOPE_REQUIRED');
  expect((await ask(control, 'restore_plan', { path: 'app' }, by(reader))).execute).toMatchObject({ allowed: false, reason: 'READ_ONLY' });
  expect(await codeOf(control.call('__proto__' as never, {} as never, by(person)))).toBe('USAGE');
});

test('closing ends what is running and refuses what comes after', async () => {
  const { control } = await makeSetting({
    handle: { sync: ({ signal }) => new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))) },
  });
  const running = codeOf(ask(control, 'sync', { path: 'app' }));
  await new Promise((resolve) => setImmediate(resolve));
  await control.close();
  expect(await running).toBe('SHUTTING_DOWN');
  expect(await codeOf(ask(control, 'info', {}))).toBe('SHUTTING_DOWN');
});

describe('verification against the live database', () => {
  /** Sums of a state as the engine would store them, of pages changed by `change`. */
  async function attachedWith(change: (page: Buffer, pgno: number) => void, sync?: DatabaseHandle['sync']) {
    const history = makeHistory(6);
    return makeSetting({
      handle: {
        ...(sync === undefined ? {} : { sync }),
        pageSums: async (directory) => {
          const state = Buffer.from(history[6] ?? []);
          const commit = state.length / 4096;
          const sums = Buffer.alloc(commit * 8);
          for (let index = 0; index < commit; index++) {
            const page = state.subarray(index * 4096, (index + 1) * 4096);
            change(page, index + 1);
            sums.writeBigUInt64LE(crc64(0n, page), index * 8);
          }
          const file = join(directory, 'sums');
          writeFileSync(file, sums);
          return { path: file, txid: toTXID(6), pageSize: 4096, commit };
        },
      },
    });
  }

  test('passes when every page is the same, and leaves no scratch', async () => {
    const { control, entry } = await attachedWith(() => {});
    const proof = await ask(control, 'verify', { path: 'app', compare: 'live' });
    expect(proof).toMatchObject({ outcome: 'passed', pages_compared: 4 });
    expect(proof.checks?.at(-1)).toMatchObject({ name: 'pages', outcome: 'passed', detail: '4 of 4' });
    expect(readdirSync(entry.settings.metaPath)).toEqual(['ltx']);
  });

  test('fails on one different byte', async () => {
    const { control } = await attachedWith((page, pgno) => {
      if (pgno === 2) page[4095] = (page[4095] ?? 0) ^ 1;
    });
    expect(await ask(control, 'verify', { path: 'app' })).toMatchObject({
      outcome: 'failed',
      reason: expect.stringContaining('1 of 4 pages differ'),
    });
  });

  test('does not wait for ever for a replica that lags', async () => {
    const stalled: DatabaseHandle['sync'] = ({ signal }) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    const { control, clock } = await attachedWith(() => {}, stalled);
    const proof = ask(control, 'verify', { path: 'app' }, by(person));
    while (clock.sleeping === 0) await settle(1);
    await clock.advance(30_000);
    expect((await proof).outcome).toBe('passed');
  });

  test('that was asked for and cannot be made is inconclusive', async () => {
    const { control } = await makeSetting();
    expect(await ask(control, 'verify', { path: 'app', compare: 'live' })).toMatchObject({
      outcome: 'inconclusive',
      warnings: [{ code: 'NOT_COMPARED' }],
    });
    expect((await ask(control, 'info', {})).proof.proven).toBe(0);
    expect((await ask(control, 'verify', { path: 'app' })).outcome).toBe('passed');
    expect(await codeOf(ask(control, 'verify', { path: 'app', compare: 'live', txid: '4' }))).toBe('USAGE');
  });
});
