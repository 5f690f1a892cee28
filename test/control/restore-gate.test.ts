/** From plan to file: what is carried out, once, by whom, and everything that must be refused (docs/mcp.md, A restore takes two calls). */

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import type { AuditEntry } from '../../src/control/audit.ts';
import type { ConfirmAnswer, ConfirmQuestion } from '../../src/control/verb.ts';
import type { RunJob } from '../../src/engine/jobs.ts';
import { runJobHere } from '../../src/workers/job-kinds.ts';
import { settle } from '../support/fake-clock.ts';
import { ask, by, codeOf, instantOf, makeSetting, model, person, putFile, reader, refusal, type Setting, timeOf } from './setting.ts';

const hex = (txid: number) => txid.toString(16).padStart(16, '0');

async function planned(setting: Setting, input: Parameters<typeof ask<'restore_plan'>>[2] = { path: 'app' }) {
  const { plan } = await ask(setting.control, 'restore_plan', input);
  if (plan?.plan_id === undefined || plan.output === undefined) throw new Error('no plan');
  return { id: plan.plan_id, output: plan.output, plan };
}

/** Work that ends only when it is cancelled. */
const endless: RunJob = (_kind, _args, { signal } = {}) =>
  new Promise((_, reject) => {
    if (signal?.aborted) reject(signal.reason);
    signal?.addEventListener('abort', () => reject(signal.reason));
  });

/** Work that waits for something first. */
const after =
  (what: Promise<void>): RunJob =>
  async (...args) => {
    await what;
    return runJobHere(...args);
  };

/** What is in the directory for restores, private directories included. */
const produced = ({ root }: Setting): string[] => readdirSync(join(root, 'restored'));

describe('execution', () => {
  test('makes exactly the file the plan named, and only it', async () => {
    const setting = await makeSetting();
    const { id, output } = await planned(setting, { path: 'app', txid: '4' });
    const before = readFileSync(setting.entry.settings.path);
    const done = await ask(setting.control, 'restore', { plan_id: id });
    expect(done).toMatchObject({
      mode: 'done',
      restored: { output, txid: hex(4), time: new Date(timeOf(4)).toISOString(), integrity_check: 'ok', replanned: false, pages: 2 },
      open_with: `sqlite3 -readonly ${output}`,
    });
    expect(produced(setting)).toEqual([`app-${hex(4)}.db`]);
    expect(readFileSync(output).equals(setting.history[4] ?? Buffer.alloc(0))).toBe(true);
    expect(statSync(output).mode & 0o777).toBe(0o600);
    expect(readFileSync(setting.entry.settings.path).equals(before)).toBe(true);
    const db = new Database(output, { readonly: true });
    expect(db.prepare('SELECT count(*) AS n FROM t').get()).toEqual({ n: 3 });
    db.close();
  });

  test('of a hundred at once exactly one succeeds', async () => {
    const setting = await makeSetting();
    const { id, output } = await planned(setting);
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => ask(setting.control, 'restore', { plan_id: id })));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const codes = new Set(outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [(outcome.reason as LitestreamError).code] : [])));
    expect([...codes].filter((code) => code !== 'PLAN_USED' && code !== 'JOB_LIMIT')).toEqual([]);
    expect(produced(setting)).toEqual([output.split('/').at(-1)]);
  });

  test('goes on with other files when compaction replaced them', async () => {
    const setting = await makeSetting();
    const { id, output } = await planned(setting);
    const root = setting.entry.replicas[0]?.store.path ?? '';
    putFile(root, setting.history, 1, 4, 6);
    for (const txid of [4, 5, 6]) rmSync(join(root, 'ltx', '0', `${hex(txid)}-${hex(txid)}.ltx`));
    expect((await ask(setting.control, 'restore', { plan_id: id })).restored).toMatchObject({ txid: hex(6), replanned: true });
    expect(readFileSync(output).equals(setting.history[6] ?? Buffer.alloc(0))).toBe(true);
  });

  test('accepts arguments repeated as they were, and refuses others', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting, { path: 'app', txid: '4', output: 'x.db', integrity_check: 'full' });
    for (const other of [
      { path: 'other' },
      { txid: '5' },
      { output: 'y.db' },
      { integrity_check: 'none' as const },
      { timestamp: '-1m' },
      { replica: 's3' },
    ]) {
      const error = await refusal(ask(setting.control, 'restore', { plan_id: id, ...other }));
      expect([error.code, error.details?.argument]).toEqual(['USAGE', Object.keys(other)[0]]);
    }
    expect(produced(setting)).toEqual([]);
    const same = { path: 'app', txid: '4', o: 'x.db', integrity_check: 'full' as const };
    expect((await ask(setting.control, 'restore', { plan_id: id, ...same })).mode).toBe('done');
  });

  test('answers with a job when it takes longer than the caller waits', async () => {
    const gate = Promise.withResolvers<void>();
    const setting = await makeSetting({ parts: { runJob: after(gate.promise) } });
    const { id, output } = await planned(setting);
    const running = ask(setting.control, 'restore', { plan_id: id, wait_seconds: 1 });
    while (setting.world.jobs.running === 0 || setting.clock.sleeping === 0) await settle(1);
    await setting.clock.advance(1000);
    const { mode, job_id: job } = await running;
    expect(mode).toBe('running');
    gate.resolve();
    const ended = await ask(setting.control, 'job', { job_id: job, wait_seconds: 5 });
    expect(ended.job).toMatchObject({
      state: 'succeeded',
      tool: 'litestream_restore',
      database: 'app',
      result: { mode: 'done', restored: { output } },
    });
    expect(await codeOf(ask(setting.control, 'job', { job_id: job }, by({ ...model, principal: 'token-b' })))).toBe('USAGE');
  });

  test('a cancelled one leaves nothing and is over within 250 ms', async () => {
    const setting = await makeSetting({
      parts: {
        runJob: endless,
      },
    });
    const took = async (): Promise<number> => {
      const { id } = await planned(setting);
      const { job_id: job } = await ask(setting.control, 'restore', { plan_id: id, wait_seconds: 0 });
      while (produced(setting).length === 0) await settle(1);
      const start = performance.now();
      const stopped = await ask(setting.control, 'cancel', { job_id: job ?? '' });
      const ms = performance.now() - start;
      expect(stopped).toMatchObject({ already_ended: false, job: { state: 'cancelled', error: { code: 'CANCELLED' } } });
      expect(await ask(setting.control, 'cancel', { job_id: job ?? '' })).toMatchObject({ already_ended: true });
      expect(produced(setting)).toEqual([]);
      return ms;
    };
    // Ten times of what is promised, and the quickest of three: the machine may be busy, and stand still for seconds.
    expect(Math.min(await took(), await took(), await took())).toBeLessThan(2500);
  });

  test('a call that is cancelled while it waits cancels its job', async () => {
    const setting = await makeSetting({
      parts: {
        runJob: endless,
      },
    });
    const { id } = await planned(setting);
    const abort = new AbortController();
    const call = ask(setting.control, 'restore', { plan_id: id }, by(model, { signal: abort.signal }));
    const outcome = call.catch((error: unknown) => error);
    while (setting.world.jobs.running === 0) await settle(1);
    const reason = new LitestreamError('CANCELLED', 'the client went away');
    abort.abort(reason);
    expect(await outcome).toBe(reason);
    expect((await ask(setting.control, 'job', {})).jobs).toMatchObject([{ state: 'cancelled' }]);
    expect(produced(setting)).toEqual([]);
  });

  test('progress reaches the caller', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    const phases: string[] = [];
    await ask(setting.control, 'restore', { plan_id: id }, by(model, { progress: ({ phase }) => phases.push(phase) }));
    expect(phases).toContain('check');
  });

  test('a failed restore leaves nothing behind', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    const file = join(setting.entry.replicas[0]?.store.path ?? '', 'ltx', '0', `${hex(6)}-${hex(6)}.ltx`);
    const bytes = readFileSync(file);
    const { mtimeMs } = statSync(file);
    bytes[200] = (bytes[200] ?? 0) ^ 0xff;
    writeFileSync(file, bytes);
    const { utimesSync } = await import('node:fs');
    utimesSync(file, (mtimeMs + 0.0005) / 1000, (mtimeMs + 0.0005) / 1000);
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }))).toMatch(/^LTX_/);
    expect(produced(setting)).toEqual([]);
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }))).toBe('PLAN_USED');
  });
});

describe('the gate refuses and leaves no trace', () => {
  async function refused(code: string, setting: Setting, input: Parameters<typeof ask<'restore'>>[2], call = by(model)) {
    const before = produced(setting);
    expect(await codeOf(ask(setting.control, 'restore', input, call))).toBe(code);
    expect(produced(setting)).toEqual(before);
  }

  test('read-only callers, whatever their scopes', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    await refused('READ_ONLY', setting, { plan_id: id }, by({ ...model, readOnly: true }));
  });

  test('callers without the scope', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    await refused('SCOPE_REQUIRED', setting, { plan_id: id }, by({ ...model, scopes: ['read', 'data', 'operate'] }));
  });

  test.each(['', 'rp_', 'rp_AAAAAAAAAAAAAAAAAAAAAA', '__proto__', 'constructor'])('the plan id %j that does not exist', async (id) => {
    await refused('PLAN_NOT_FOUND', await makeSetting(), { plan_id: id });
  });

  test('a plan of someone else, as if it did not exist', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    await refused('PLAN_NOT_FOUND', setting, { plan_id: id }, by({ ...model, principal: 'token-b' }));
    expect((await ask(setting.control, 'restore', { plan_id: id })).mode).toBe('done');
  });

  test('an expired plan', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    await setting.clock.advance(600_000);
    await refused('PLAN_EXPIRED', setting, { plan_id: id });
  });

  test('a used plan', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    await ask(setting.control, 'restore', { plan_id: id });
    await refused('PLAN_USED', setting, { plan_id: id });
  });

  test('a plan from before a restart', async () => {
    const { id } = await planned(await makeSetting());
    await refused('PLAN_NOT_FOUND', await makeSetting(), { plan_id: id });
  });

  test.each(['', '-wal', '-journal'])('a target whose output%s appeared', async (suffix) => {
    const setting = await makeSetting();
    const { id, output } = await planned(setting);
    writeFileSync(output + suffix, 'mine');
    await refused('OUTPUT_EXISTS', setting, { plan_id: id });
    expect(readFileSync(output + suffix, 'utf8')).toBe('mine');
  });

  test('a dangling link that appeared at the output', async () => {
    const setting = await makeSetting();
    const { id, output } = await planned(setting);
    symlinkSync(join(setting.root, 'elsewhere.db'), output);
    await refused('OUTPUT_EXISTS', setting, { plan_id: id });
    expect(existsSync(join(setting.root, 'elsewhere.db'))).toBe(false);
  });

  test('a target that appears while the restore runs', async () => {
    let output = '';
    const setting = await makeSetting({
      parts: {
        runJob: async (...args) => {
          writeFileSync(output, 'mine');
          return runJobHere(...args);
        },
      },
    });
    const plan = await planned(setting);
    output = plan.output;
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: plan.id }))).toBe('OUTPUT_EXISTS');
    expect(produced(setting)).toEqual([output.split('/').at(-1)]);
    expect(readFileSync(output, 'utf8')).toBe('mine');
  });

  test('an allowed directory replaced by a link', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    const evil = join(setting.root, 'evil');
    mkdirSync(evil);
    renameSync(join(setting.root, 'restored'), join(setting.root, 'moved'));
    symlinkSync(evil, join(setting.root, 'restored'));
    await refused('OUTPUT_NOT_ALLOWED', setting, { plan_id: id });
    expect([readdirSync(evil), readdirSync(join(setting.root, 'moved'))]).toEqual([[], []]);
  });

  test('a parent below it replaced by a link, inside and outside', async () => {
    const setting = await makeSetting();
    const allowed = join(setting.root, 'restored');
    mkdirSync(join(allowed, 'sub'));
    mkdirSync(join(allowed, 'other'));
    const { id } = await planned(setting, { path: 'app', output: 'sub/x.db' });
    renameSync(join(allowed, 'sub'), join(allowed, 'was'));
    symlinkSync(join(allowed, 'other'), join(allowed, 'sub'));
    await refused('PLAN_CHANGED', setting, { plan_id: id });
    rmSync(join(allowed, 'sub'));
    symlinkSync(setting.root, join(allowed, 'sub'));
    await refused('OUTPUT_NOT_ALLOWED', setting, { plan_id: id });
    rmSync(join(allowed, 'sub'));
    mkdirSync(join(allowed, 'sub'));
    await refused('PLAN_CHANGED', setting, { plan_id: id });
    rmSync(join(allowed, 'sub'), { recursive: true });
    await refused('PLAN_CHANGED', setting, { plan_id: id });
  });

  test('a link swapped in while the restore runs', async () => {
    const moved = { root: '' };
    const setting = await makeSetting({
      parts: {
        runJob: async (...args) => {
          const result = await runJobHere(...args);
          const sub = join(moved.root, 'restored', 'sub');
          renameSync(sub, join(moved.root, 'restored', 'was'));
          mkdirSync(join(moved.root, 'evil'));
          symlinkSync(join(moved.root, 'evil'), sub);
          return result;
        },
      },
    });
    moved.root = setting.root;
    mkdirSync(join(setting.root, 'restored', 'sub'));
    const { id } = await planned(setting, { path: 'app', output: 'sub/x.db' });
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }))).toBe('PLAN_CHANGED');
    expect(readdirSync(join(setting.root, 'evil'))).toEqual([]);
    expect(readdirSync(join(setting.root, 'restored', 'was'))).toEqual([]);
  });

  test('a transaction that is gone, or has another time', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    const root = setting.entry.replicas[0]?.store.path ?? '';
    rmSync(join(root, 'ltx', '0', `${hex(6)}-${hex(6)}.ltx`));
    await refused('PLAN_CHANGED', setting, { plan_id: id });
    putFile(root, setting.history, 0, 6, 6, timeOf(50));
    await refused('PLAN_CHANGED', setting, { plan_id: id });
  });

  test('a second restore of the same database while one runs, and more than are allowed', async () => {
    const gate = Promise.withResolvers<void>();
    const setting = await makeSetting({
      gate: { maxRestores: 1 },
      parts: { runJob: after(gate.promise) },
    });
    const [first, second] = [await planned(setting, { path: 'app', txid: '4' }), await planned(setting, { path: 'app', txid: '5' })];
    const running = ask(setting.control, 'restore', { plan_id: first.id });
    while (setting.world.jobs.running === 0) await settle(1);
    const error = await refusal(ask(setting.control, 'restore', { plan_id: second.id }));
    expect([error.code, error.details?.retry_after_seconds]).toEqual(['JOB_LIMIT', 10]);
    gate.resolve();
    await running;
    expect((await ask(setting.control, 'restore', { plan_id: second.id })).mode).toBe('done');
  });

  test('a disk that is too full', async () => {
    const setting = await makeSetting();
    const { checkSpace } = await import('../../src/control/restore-run.ts');
    expect(() => checkSpace({ bytes_to_read: 1, bytes_to_write: 1_000_000_000, free_bytes: 1_100_000_000 })).toThrow(/bytes are needed/);
    expect(() => checkSpace({ bytes_to_read: 1, bytes_to_write: 1_000_000_000, free_bytes: 1_200_000_000 })).not.toThrow();
    expect(produced(setting)).toEqual([]);
  });
});

describe('confirmation', () => {
  const answering = (answer: ConfirmAnswer, asked: ConfirmQuestion[] = []) =>
    by(model, {
      confirm: async (question) => {
        asked.push(question);
        return answer;
      },
    });

  test('auto asks where a person can be asked, with the plan’s own words', async () => {
    const setting = await makeSetting();
    const { id, output } = await planned(setting, { path: 'app', timestamp: new Date(timeOf(4)).toISOString() });
    const asked: ConfirmQuestion[] = [];
    expect((await ask(setting.control, 'restore', { plan_id: id }, answering('accepted', asked))).mode).toBe('done');
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({ planId: id, action: 'restore' });
    for (const part of [setting.entry.settings.path, output, hex(3), '1 s before', '3 later transactions'])
      expect(asked[0]?.message).toContain(part);
  });

  test('a declined plan is void', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }, answering('declined')))).toBe('CONFIRMATION_DECLINED');
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }, answering('accepted')))).toBe('PLAN_NOT_FOUND');
    expect(produced(setting)).toEqual([]);
  });

  test('a dismissed question and five minutes of silence leave the plan', async () => {
    const setting = await makeSetting();
    const { id } = await planned(setting);
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }, answering('dismissed')))).toBe('CANCELLED');
    const silent = ask(setting.control, 'restore', { plan_id: id }, by(model, { confirm: () => new Promise(() => {}) }));
    const outcome = codeOf(silent);
    while (setting.clock.sleeping === 0) await settle(1);
    await setting.clock.advance(300_000);
    expect(await outcome).toBe('CANCELLED');
    expect((await ask(setting.control, 'restore', { plan_id: id })).mode).toBe('done');
  });

  test('elicit needs a client that can ask', async () => {
    const setting = await makeSetting({ gate: { confirm: 'elicit' } });
    const { id } = await planned(setting);
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }))).toBe('CONFIRMATION_UNAVAILABLE');
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }, answering('unavailable')))).toBe('CONFIRMATION_UNAVAILABLE');
    expect((await ask(setting.control, 'restore', { plan_id: id }, answering('accepted'))).mode).toBe('done');
  });

  test('operator never lets a model through, agreed or not', async () => {
    const setting = await makeSetting({ gate: { confirm: 'operator' } });
    const { id } = await planned(setting);
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }, answering('accepted')))).toBe('APPROVAL_PENDING');
    expect(produced(setting)).toEqual([]);
  });

  test('what changed while a person thought is noticed', async () => {
    const setting = await makeSetting();
    const { id, output } = await planned(setting);
    const confirm = async () => {
      writeFileSync(output, 'mine');
      return 'accepted' as const;
    };
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }, by(model, { confirm })))).toBe('OUTPUT_EXISTS');
  });
});

describe('planning', () => {
  test('without a directory for restores there is a plan to see but none to carry out', async () => {
    const setting = await makeSetting({ gate: { restoreDirs: [] } });
    const { plan, execute } = await ask(setting.control, 'restore_plan', { path: 'app' });
    expect(plan?.plan_id).toBeUndefined();
    expect(execute).toMatchObject({ allowed: false, reason: 'OUTPUT_NOT_ALLOWED' });
    expect(await codeOf(ask(setting.control, 'restore_plan', { path: 'app', output: 'x.db' }))).toBe('OUTPUT_NOT_ALLOWED');
  });

  test('restore without a plan’s id plans, also in read-only mode', async () => {
    const setting = await makeSetting();
    const answer = await ask(setting.control, 'restore', { path: 'app' }, by(reader));
    expect(answer).toMatchObject({ mode: 'plan', execute: { allowed: false, reason: 'READ_ONLY' } });
    expect(produced(setting)).toEqual([]);
  });

  test('moments that cannot be reached say which can', async () => {
    const setting = await makeSetting();
    rmSync(join(setting.entry.replicas[0]?.store.path ?? '', 'ltx', '0', `${hex(2)}-${hex(2)}.ltx`));
    const gone = await refusal(ask(setting.control, 'restore_plan', { path: 'app', txid: '2' }));
    expect([gone.code, gone.details]).toMatchObject(['TX_NOT_AVAILABLE', { before: { txid: hex(1) }, after: { txid: hex(3) } }]);
    expect(await codeOf(ask(setting.control, 'restore_plan', { path: 'app', timestamp: '-1d' }))).toBe('TIME_OUT_OF_RANGE');
    expect(await codeOf(ask(setting.control, 'restore_plan', { path: 'app', generation: '3c9ac1a1ff0d22b7' }))).toBe('NO_SNAPSHOT');
    expect((await ask(setting.control, 'restore_plan', { path: 'app', index: '4' })).plan?.reached.txid).toBe(hex(4));
  });

  test('strict refuses a point too far before the asked one; otherwise it is a warning', async () => {
    const setting = await makeSetting();
    await setting.clock.advance(3_600_000);
    const input = { path: 'app', timestamp: '-1m' };
    expect((await ask(setting.control, 'restore_plan', input)).warnings).toMatchObject([{ code: 'TIME_SHORTFALL' }]);
    expect(await codeOf(ask(setting.control, 'restore_plan', { ...input, strict: true }))).toBe('TIME_OUT_OF_RANGE');
    expect((await ask(setting.control, 'restore_plan', { ...input, strict: true, max_shortfall_seconds: 86_400 })).mode).toBe('plan');
  });

  test('at most fifty plans of one principal are open', async () => {
    const setting = await makeSetting();
    const first = await planned(setting);
    for (let n = 0; n < 50; n++) await planned(setting);
    expect(setting.world.plans.open).toBe(50);
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: first.id }))).toBe('PLAN_NOT_FOUND');
  });

  test('nothing to do is an answer', async () => {
    const setting = await makeSetting();
    writeFileSync(join(setting.root, 'restored', 'x.db'), '');
    expect(await ask(setting.control, 'restore_plan', { path: 'app', output: 'x.db', if_db_not_exists: true })).toMatchObject({
      mode: 'nothing_to_do',
    });
    rmSync(join(setting.entry.replicas[0]?.store.path ?? '', 'ltx'), { recursive: true });
    expect(await ask(setting.control, 'restore_plan', { path: 'app', if_replica_exists: true })).toMatchObject({ mode: 'nothing_to_do' });
    expect(await codeOf(ask(setting.control, 'restore_plan', { path: 'app' }))).toBe('NO_SNAPSHOT');
  });

  test('a replica that cannot be read is not an empty one', async () => {
    const setting = await makeSetting({
      attached: false,
      parts: { openReplica: () => Promise.reject(new LitestreamError('STORAGE_UNAVAILABLE', 'down')) },
    });
    expect(await codeOf(ask(setting.control, 'restore_plan', { path: 'app', if_replica_exists: true }))).toBe('STORAGE_UNAVAILABLE');
  });
});

describe('a person at the machine', () => {
  test('restores anywhere at once', async () => {
    const setting = await makeSetting({ attached: false });
    const output = join(setting.root, 'anywhere.xyz');
    const done = await ask(setting.control, 'restore', { path: 'app', output, txid: '4' }, by(person));
    expect(done).toMatchObject({ mode: 'done', restored: { output, txid: hex(4), integrity_check: 'skipped' } });
    expect(readFileSync(output).equals(setting.history[4] ?? Buffer.alloc(0))).toBe(true);
  });

  test('gets the newest state there is when the one that was newest is merged away before it is read, and no other than the one named', async () => {
    for (const named of [false, true]) {
      let expire = () => {};
      const runJob: RunJob = (kind, args, options) => {
        expire();
        expire = () => {};
        return runJobHere(kind, args, options);
      };
      const setting = await makeSetting({ attached: false, parts: { runJob } });
      const { history, root, entry } = setting;
      const store = entry.replicas[0]?.store.path ?? '';
      expire = () => {
        putFile(store, [...history, history[3] ?? Buffer.alloc(0)], 1, 1, 7);
        rmSync(join(store, 'ltx', '0'), { recursive: true });
      };
      const output = join(root, 'newest.db');
      const asked = ask(setting.control, 'restore', { path: 'app', output, ...(named ? { txid: '6' } : {}) }, by(person));
      if (named) {
        expect(await codeOf(asked)).toBe('TX_NOT_AVAILABLE');
        expect(existsSync(output)).toBe(false);
        continue;
      }
      expect(await asked).toMatchObject({ mode: 'done', restored: { txid: hex(7), replanned: true } });
      expect(readFileSync(output).equals(history[3] ?? Buffer.alloc(0))).toBe(true);
    }
  });

  test('gets the nearest state there is to a moment when the planned one is merged away before it is read, unless strict or forced', async () => {
    for (const { more, code } of [
      { more: {}, code: undefined },
      { more: { strict: true, max_shortfall_seconds: 1 }, code: 'TIME_OUT_OF_RANGE' },
      { more: { force: true }, code: 'TX_NOT_AVAILABLE' },
    ]) {
      let expire = () => {};
      const runJob: RunJob = (kind, args, options) => {
        expire();
        expire = () => {};
        return runJobHere(kind, args, options);
      };
      const setting = await makeSetting({ attached: false, parts: { runJob } });
      const { history, root, entry } = setting;
      const store = entry.replicas[0]?.store.path ?? '';
      expire = () => {
        putFile(store, history, 1, 4, 6);
        rmSync(join(store, 'ltx', '0'), { recursive: true });
      };
      const output = join(root, 'moment.db');
      const asked = ask(setting.control, 'restore', { path: 'app', output, timestamp: instantOf(5), ...more }, by(person));
      if (code !== undefined) {
        expect(await codeOf(asked)).toBe(code);
        expect(existsSync(output)).toBe(false);
        continue;
      }
      expect(await asked).toMatchObject({
        mode: 'done',
        restored: { txid: hex(3), replanned: true },
        warnings: expect.arrayContaining([{ code: 'REPLANNED', message: expect.stringContaining(`TXID ${hex(3)} of ${instantOf(3)}`) }]),
      });
      expect(readFileSync(output).equals(history[3] ?? Buffer.alloc(0))).toBe(true);
    }
  });

  test('sees a dry run with every file, and nothing is written', async () => {
    const setting = await makeSetting({ attached: false });
    const { plan } = await ask(setting.control, 'restore', { path: 'app', output: '/nowhere/x.db', dry_run: true }, by(person));
    expect(plan?.plan_id).toBeUndefined();
    expect(plan?.file_list?.map(({ name }) => name).at(-1)).toBe(`${hex(6)}-${hex(6)}.ltx`);
    expect(plan?.file_list).toHaveLength(plan?.files ?? 0);
  });

  test('replaces only with force, and the old file is kept', async () => {
    const setting = await makeSetting({ attached: false, parts: { runJob: runJobHere } });
    const output = join(setting.root, 'old.db');
    writeFileSync(output, 'old');
    const input = { path: 'app', output };
    expect(await codeOf(ask(setting.control, 'restore', input, by(person)))).toBe('OUTPUT_EXISTS');
    expect(await ask(setting.control, 'restore', { ...input, if_db_not_exists: true }, by(person))).toMatchObject({
      mode: 'nothing_to_do',
    });
    expect(readFileSync(output, 'utf8')).toBe('old');
    const older = setting.history[3] ?? Buffer.alloc(0);
    writeFileSync(output, older);
    const { restored } = await ask(setting.control, 'restore', { ...input, force: true }, by(person));
    expect(restored?.replaced).toContain(`${output}.replaced-`);
    expect(readFileSync(restored?.replaced ?? '').equals(older)).toBe(true);
    expect(readFileSync(output).equals(setting.history[6] ?? Buffer.alloc(0))).toBe(true);
  });

  test('cannot replace what is being replicated here', async () => {
    const setting = await makeSetting();
    expect(await codeOf(ask(setting.control, 'restore', { path: 'app', force: true }, by(person)))).toBe('OUTPUT_IN_USE');
  });
});

describe('the record', () => {
  test('has a line before and one after, and one for each refusal', async () => {
    const lines: AuditEntry[] = [];
    const setting = await makeSetting({ parts: { audit: (entry) => lines.push(entry) } });
    const { id } = await planned(setting);
    await codeOf(ask(setting.control, 'restore', { plan_id: id }, by({ ...model, readOnly: true })));
    await ask(setting.control, 'restore', { plan_id: id });
    await ask(setting.control, 'sync', { path: 'app' });
    await settle();
    expect(lines.map(({ verb, stage, decision, result }) => [verb, stage, decision, result])).toEqual([
      ['restore', 'refused', 'refused READ_ONLY', undefined],
      ['restore', 'before', 'allowed', undefined],
      ['restore', 'after', 'allowed', 'ok'],
      ['sync', 'before', 'allowed', undefined],
      ['sync', 'after', 'allowed', 'ok'],
    ]);
    expect(lines[1]).toMatchObject({ principal: 'token-a', plan_id: id, confirmed_by: 'none', database: setting.entry.settings.path });
    expect(lines[1]?.id).toBe(lines[2]?.id);
    expect(lines[2]?.bytes).toBeGreaterThan(0);
  });

  test('that cannot be written stops what it should record', async () => {
    const audit = () => {
      throw new LitestreamError('AUDIT_UNAVAILABLE', 'no');
    };
    const setting = await makeSetting({ parts: { audit } });
    const { id } = await planned(setting);
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: id }))).toBe('AUDIT_UNAVAILABLE');
    expect(await codeOf(ask(setting.control, 'sync', { path: 'app' }))).toBe('AUDIT_UNAVAILABLE');
    expect(produced(setting)).toEqual([]);
  });
});
