import { readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatLTXName } from '../../src/formats/ltx/filename.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import type { FileInfo, Level } from '../../src/replica/file-info.ts';
import { openReplica } from '../../src/replica/open.ts';
import { ask, by, makeHistory, makeSetting, model, person, putFile, refusal, type Setting, type SettingOptions } from './setting.ts';

/** Two replicas with level 0 of each of twelve transactions, and a snapshot at TXID 3. From TXID 8 on a transaction does not change every page. */
const setting = (options: SettingOptions = {}) =>
  makeSetting({ attached: false, replicaNames: ['near', 'far'], transactions: 12, ...options });

const rootOf = ({ entry }: Setting, name: string): string => {
  const store = entry.replicas.find((replica) => replica.name === name)?.store;
  return store?.type === 'file' ? store.path : '';
};

const place = (at: Setting, name: string, level: Level, min: number, max = min): string =>
  join(rootOf(at, name), 'ltx', String(level), formatLTXName({ minTXID: toTXID(min), maxTXID: toTXID(max) }));

function flip(path: string): void {
  truncateSync(path, readFileSync(path).length - 30);
}

async function filesOf(at: Setting, name: string): Promise<FileInfo[]> {
  const replica = await openReplica({ type: 'file', path: rootOf(at, name) });
  const files: FileInfo[] = [];
  for (const level of [0, 1, 9] as const) for await (const file of replica.list(level)) files.push(file);
  await replica.close();
  return files;
}

const restore = async (at: Setting, more: object = {}) => {
  const output = join(at.root, 'restored', `${Math.random().toString(36).slice(2)}.db`);
  const answer = await ask(at.control, 'restore', { path: 'app', output, ...more }, by(person));
  return { answer, bytes: readFileSync(output) };
};

test('between replicas that reach the same state the cheaper one is taken', async () => {
  const at = await setting();
  putFile(rootOf(at, 'far'), at.history, 1, 4, 12);
  const { answer, bytes } = await restore(at);
  expect(answer.restored?.replica).toBe('far');
  expect(bytes.equals(at.history[12] ?? Buffer.alloc(0))).toBe(true);
});

test('a damaged file is taken from another replica, and the answer names both', async () => {
  const at = await setting();
  flip(place(at, 'near', 0, 12));
  const { answer, bytes } = await restore(at);
  expect(bytes.equals(at.history[12] ?? Buffer.alloc(0))).toBe(true);
  expect(answer.warnings?.map(({ code }) => code)).toEqual(['SEVERAL_REPLICAS', 'FILE_DAMAGED', 'REPAIR']);
  expect(answer.warnings?.[1]?.message).toContain('level 0 file 000000000000000c-000000000000000c at near');
  const named = await refusal(ask(at.control, 'restore', { path: 'app', replica: 'near', output: join(at.root, 'x.db') }, by(person)));
  expect(named.code).toMatch(/^LTX_/);
});

test('what no replica holds alone is put together, in a plan that is carried out as shown', async () => {
  const at = await setting();
  for (const txid of [9, 10]) rmSync(place(at, 'near', 0, txid));
  rmSync(place(at, 'far', 0, 1));
  rmSync(place(at, 'far', 9, 1, 3));
  const planned = await ask(at.control, 'restore_plan', { path: 'app' }, by(model));
  expect(planned.plan?.reached.txid).toBe('000000000000000c');
  expect(planned.warnings?.map(({ code }) => code)).toContain('COMBINED');
  const done = await ask(at.control, 'restore', { plan_id: planned.plan?.plan_id }, by(model));
  expect(readFileSync(done.restored?.output ?? '').equals(at.history[12] ?? Buffer.alloc(0))).toBe(true);
});

test('replicas that cannot be shown to hold one history are not put together, and the lesser state says why', async () => {
  const at = await setting();
  for (const txid of [4, 5, 6, 7, 8, 9, 10, 11, 12]) rmSync(place(at, 'near', 0, txid));
  for (const txid of [1, 2, 3]) rmSync(place(at, 'far', 0, txid));
  rmSync(place(at, 'far', 9, 1, 3));
  const { answer } = await restore(at);
  expect(answer.restored?.txid).toBe('0000000000000003');
  expect(answer.warnings?.find(({ code }) => code === 'NOT_COMBINED')?.message).toMatch(/nothing shows that/);
});

test('repair says what it would do, does it, and then finds nothing', async () => {
  const at = await setting();
  flip(place(at, 'near', 0, 2));
  flip(place(at, 'near', 9, 1, 3));
  rmSync(place(at, 'near', 0, 9));
  const before = await filesOf(at, 'near');
  const dry = await ask(at.control, 'repair', { path: 'app', replica: 'near', dry_run: true }, by(person));
  expect(dry.replicas).toMatchObject([
    { replica: 'near', outcome: 'repairable', damaged: [{}, {}], copied: [{}, {}, {}], left: [], lost: [] },
  ]);
  expect(await filesOf(at, 'near')).toEqual(before);
  const done = await ask(at.control, 'repair', { path: 'app', replica: 'near' }, by(person));
  expect(done.replicas).toMatchObject([{ outcome: 'repaired' }]);
  expect(done.replicas?.[0]?.copied.every(({ from }) => from === 'far')).toBe(true);
  for (const [level, min, max] of [
    [0, 2, 2],
    [9, 1, 3],
    [0, 9, 9],
  ] as const) {
    expect(readFileSync(place(at, 'near', level, min, max)).equals(readFileSync(place(at, 'far', level, min, max)))).toBe(true);
  }
  expect((await filesOf(at, 'near')).map(({ createdAt }) => createdAt)).toEqual(
    (await filesOf(at, 'far')).map(({ createdAt }) => createdAt),
  );
  const again = await ask(at.control, 'repair', { path: 'app' }, by(person));
  expect(again.replicas).toMatchObject([
    { replica: 'near', outcome: 'whole' },
    { replica: 'far', outcome: 'whole' },
  ]);
  expect((await restore(at, { replica: 'near' })).bytes.equals(at.history[12] ?? Buffer.alloc(0))).toBe(true);
});

test('quick looks for holes only', async () => {
  const at = await setting();
  flip(place(at, 'near', 0, 2));
  rmSync(place(at, 'near', 0, 9));
  const done = await ask(at.control, 'repair', { path: 'app', replica: 'near', quick: true }, by(person));
  expect(done.replicas).toMatchObject([
    { outcome: 'repaired', checked: 'listing', bytes_read: 0, copied: [{ file: expect.stringContaining('0000000000000009') }] },
  ]);
});

test('a copy that is damaged too is not taken, and nothing is overwritten with it', async () => {
  const at = await setting();
  flip(place(at, 'near', 0, 9));
  flip(place(at, 'far', 0, 9));
  const stood = readFileSync(place(at, 'near', 0, 9));
  const done = await ask(at.control, 'repair', { path: 'app', replica: 'near' }, by(person));
  expect(done.replicas).toMatchObject([
    { outcome: 'incomplete', copied: [], left: [{ reason: expect.stringContaining('not whole') }], snapshot: { needed: true } },
  ]);
  expect(done.replicas?.[0]?.snapshot?.txid).toBeUndefined();
  expect(readFileSync(place(at, 'near', 0, 9)).equals(stood)).toBe(true);
});

test('what nobody has is named, and a daemon writes a snapshot', async () => {
  const written: string[] = [];
  const at = await setting({
    attached: true,
    handle: {
      snapshot: async (replica) => {
        written.push(replica.settings.name);
        return { level: 9, minTXID: toTXID(1), maxTXID: toTXID(12), size: 1, createdAt: 0 };
      },
    },
  });
  for (const name of ['near', 'far']) rmSync(place(at, name, 0, 9));
  const done = await ask(at.control, 'repair', { path: 'app', replica: 'near' }, by(person));
  expect(written).toEqual(['near']);
  expect(done.replicas).toMatchObject([
    { lost: [{ first: '0000000000000009', last: '0000000000000009' }], snapshot: { txid: '000000000000000c' } },
  ]);
});

test('a file of another history is never copied', async () => {
  const at = await setting();
  const foreign = makeHistory(12).map((state, i) => (i < 8 ? state : Buffer.from(state)));
  for (const txid of [8, 9, 10, 11, 12]) {
    const state = foreign[txid];
    if (state !== undefined) state[state.length - 1] = (state[state.length - 1] ?? 0) ^ 0xff;
  }
  for (const txid of [8, 9, 10, 11, 12]) putFile(rootOf(at, 'far'), foreign, 0, txid, txid);
  rmSync(place(at, 'near', 0, 9));
  const done = await ask(at.control, 'repair', { path: 'app', replica: 'near' }, by(person));
  expect(done.replicas).toMatchObject([{ outcome: 'incomplete', copied: [], left: [{ reason: expect.stringContaining('same history') }] }]);
});

test('a model may repair only with the right to operate, and a replica is not repaired from itself', async () => {
  const at = await setting();
  expect((await refusal(ask(at.control, 'repair', { path: 'app' }, by({ ...model, scopes: ['read'] })))).code).toBe('SCOPE_REQUIRED');
  expect((await refusal(ask(at.control, 'repair', { path: 'app', replica: 'far', from: 'far' }, by(person)))).code).toBe('USAGE');
});
