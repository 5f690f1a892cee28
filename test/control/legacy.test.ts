import { cpSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { chooseFormat, type FormatPlan } from '../../src/control/restore-formats.ts';
import type { RestoreTarget } from '../../src/engine/restore/target.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import type { FileInfo } from '../../src/replica/file-info.ts';
import type { LegacyGeneration } from '../../src/replica/legacy/listing.ts';
import { legacyExpectations, unpackLegacy } from '../support/legacy-fixture.ts';
import { ask, codeOf, makeSetting, refusal, type Setting } from './setting.ts';

const GENERATION = 'fee51cbedde042a7';

const ltx = (min: number, max: number, createdAt: number): FileInfo => ({
  level: 0,
  minTXID: toTXID(min),
  maxTXID: toTXID(max),
  size: 500,
  createdAt,
});

function generation(snapshots: readonly number[], segments: readonly (readonly [number, number])[] = []): LegacyGeneration {
  return {
    id: GENERATION,
    snapshots: snapshots.map((createdAt, index) => ({ key: `s${index}`, index, size: 10, createdAt })),
    segments: segments.map(([index, createdAt]) => ({ key: `w${index}`, index, offset: 0, size: 1, createdAt })),
  };
}

function choose(
  files: readonly FileInfo[],
  generations: readonly LegacyGeneration[],
  target: RestoreTarget = { type: 'latest' },
): FormatPlan {
  const legacyTarget = target.type === 'timestamp' ? target : ({ type: 'latest' } as const);
  return chooseFormat(files, { generations, unknown: [] }, { format: 'any', target, legacyTarget });
}

const at = (timestamp: number): RestoreTarget => ({ type: 'timestamp', timestamp });

describe('the choice between the formats', () => {
  test('is none where only one holds anything', () => {
    expect(choose([ltx(1, 1, 10)], [])).toMatchObject({ format: 'ltx' });
    expect(choose([ltx(1, 1, 10)], []).formatReason).toBeUndefined();
    expect(choose([], [generation([10])])).toMatchObject({ format: 'v3', formatReason: 'the replica holds no LTX files' });
    expect(() => choose([], [])).toThrow(expect.objectContaining({ code: 'NO_SNAPSHOT', details: { files: 0 } }));
  });

  test('falls to what reaches the later moment, LTX between equals', () => {
    const old = generation([10], [[0, 50]]);
    expect(choose([ltx(1, 1, 51)], [old]).format).toBe('ltx');
    expect(choose([ltx(1, 1, 50)], [old]).format).toBe('ltx');
    expect(choose([ltx(1, 1, 49)], [old])).toMatchObject({ format: 'v3', formatReason: expect.stringContaining('reaches') });
  });

  test('right after an upgrade a moment is restored from level 0, although no snapshot of level 9 is there', () => {
    const old = generation([10], [[0, 50]]);
    const files = [ltx(1, 1, 60), ltx(2, 2, 70)];
    expect(choose(files, [old], at(71))).toMatchObject({ format: 'ltx', plan: { reached: { txid: 2n } } });
    expect(choose(files, [old], at(65))).toMatchObject({ format: 'ltx', plan: { reached: { txid: 1n } } });
    expect(choose(files, [old], at(55))).toMatchObject({ format: 'v3', plan: { reached: { time: 50 } } });
  });

  test('LTX files count before the moment, those of version 0.3 at it too', () => {
    const old = generation([10], [[0, 50]]);
    expect(choose([ltx(1, 1, 60)], [old], at(60)).format).toBe('v3');
    expect(choose([ltx(1, 1, 60)], [old], at(61)).format).toBe('ltx');
    expect(choose([ltx(1, 1, 40)], [old], at(50))).toMatchObject({ format: 'v3', plan: { reached: { time: 50 } } });
    expect(choose([ltx(1, 1, 40)], [old], at(49)).format).toBe('ltx');
    expect(() => choose([ltx(1, 1, 60)], [old], at(5))).toThrow(expect.objectContaining({ code: 'TIME_OUT_OF_RANGE' }));
  });

  test('damage in the newer one is told, with the flag that takes the older one', () => {
    const hole = generation([10], [[1, 90]]);
    expect(() => choose([ltx(1, 1, 60)], [hole])).toThrow(
      expect.objectContaining({ code: 'LEGACY_INVALID', hint: expect.stringContaining('-generation ltx') }),
    );
    expect(choose([ltx(1, 1, 95)], [hole]).format).toBe('ltx');
    expect(() => choose([ltx(1, 1, 60), ltx(3, 3, 90)], [generation([70])])).toThrow(
      expect.objectContaining({ code: 'LTX_GAP', hint: expect.stringContaining(`-generation ${GENERATION}`) }),
    );
    expect(choose([ltx(3, 3, 20)], [generation([70])]).format).toBe('v3');
  });
});

describe('a replica with data of version 0.3 beside LTX files', () => {
  async function both(options: Parameters<typeof makeSetting>[0] = {}): Promise<Setting> {
    const setting = await makeSetting(options);
    const from = unpackLegacy('plain', join(setting.root, 'unpacked'));
    const to = setting.entry.replicas[0]?.store.path ?? '';
    cpSync(join(from, 'generations'), join(to, 'generations'), { recursive: true, preserveTimestamps: true });
    return setting;
  }

  test('is listed with both', async () => {
    const { control } = await both();
    const { generations } = await ask(control, 'generations', { path: 'app' });
    expect(generations.map(({ generation: id, format, restorable }) => [id, format, restorable])).toEqual([
      [GENERATION, 'v3', true],
      ['ltx', 'ltx', true],
    ]);
    const { snapshots } = await ask(control, 'snapshots', { path: 'app', generation: GENERATION });
    expect(snapshots.map(({ index, format }) => [index, format])).toEqual([
      ['4', 'v3'],
      ['1', 'v3'],
      ['0', 'v3'],
    ]);
    const { segments, page } = await ask(control, 'wal', { path: 'app', limit: 3 });
    expect(segments.map(({ name }) => name)).toEqual(['00000004_00000000', '00000003_0002d458', '00000003_00001038']);
    expect(page).toMatchObject({ returned: 3, total: 16, next_cursor: expect.any(String) });
  });

  test('a plan of it is carried out by its id, to exactly the state it named', async () => {
    const { control, root } = await both();
    const moment = '2026-11-21T11:50:12.400Z';
    const { plan } = await ask(control, 'restore_plan', { path: 'app', generation: GENERATION, timestamp: moment });
    expect(plan).toMatchObject({
      format: 'v3',
      generation: GENERATION,
      reached: { wal_index: '00000000', wal_offset: '0000d158', time: '2026-11-21T11:50:12.300Z' },
      short_by_seconds: 0.1,
      next_point: { wal_index: '00000000', wal_offset: '0001a290' },
      output: join(root, 'restored', 'app-00000000.db'),
      files: 4,
    });
    const done = await ask(control, 'restore', { plan_id: plan?.plan_id ?? '' });
    expect(done).toMatchObject({ mode: 'done', restored: { generation: GENERATION, wal_index: '00000000', integrity_check: 'ok' } });
    const db = new Database(plan?.output ?? '', { readonly: true });
    const counts = (
      db.prepare('SELECT count(*), coalesce(sum(length(body)), 0), coalesce(max(id), 0) FROM t').raw().get() as number[]
    ).join('|');
    db.close();
    expect(counts).toBe(legacyExpectations('plain').find((one) => one.at === moment)?.counts);
  });

  test('a plan whose files changed or went is void', async () => {
    const setting = await both();
    const root = join(setting.entry.replicas[0]?.store.path ?? '', 'generations', GENERATION, 'wal');
    const plan = async () =>
      (await ask(setting.control, 'restore_plan', { path: 'app', generation: GENERATION, index: 3 })).plan?.plan_id ?? '';
    const first = await plan();
    utimesSync(join(root, '00000003_0002d458.wal.lz4'), 1, 1);
    expect(await refusal(ask(setting.control, 'restore', { plan_id: first }))).toMatchObject({
      code: 'PLAN_CHANGED',
      details: { changed: 'time' },
    });
    const second = await plan();
    rmSync(join(root, '00000003_0002d458.wal.lz4'));
    expect(await codeOf(ask(setting.control, 'restore', { plan_id: second }))).toBe('PLAN_CHANGED');
  });

  test('transactions are not known there', async () => {
    const { control } = await both();
    expect(await codeOf(ask(control, 'restore_plan', { path: 'app', generation: GENERATION, txid: '3' }))).toBe('USAGE');
    expect(await codeOf(ask(control, 'restore_plan', { path: 'app', generation: GENERATION, index: 9 }))).toBe('TX_NOT_AVAILABLE');
    expect((await ask(control, 'restore_plan', { path: 'app', index: 4 })).plan).toMatchObject({
      format: 'ltx',
      reached: { txid: '0000000000000004' },
    });
  });

  test('nothing is written to it', async () => {
    const setting = await both();
    const file = join(setting.entry.replicas[0]?.store.path ?? '', 'generations', GENERATION, 'snapshots', '00000000.snapshot.lz4');
    const before = readFileSync(file);
    const { plan } = await ask(setting.control, 'restore_plan', { path: 'app', generation: GENERATION });
    await ask(setting.control, 'restore', { plan_id: plan?.plan_id ?? '' });
    expect(readFileSync(file).equals(before)).toBe(true);
  });
});
