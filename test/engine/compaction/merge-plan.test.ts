import { describe, expect, test } from 'vitest';
import { bridgedTo, endOf, isRecent, type MergePlan, planMerges } from '../../../src/engine/compaction/merge-plan.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import type { FileInfo } from '../../../src/replica/file-info.ts';
import { Random } from '../../support/random.ts';
import { info, randomListing } from '../restore/listing.ts';
import { largest, reachable } from './reach.ts';

const words = ({ merges, hole }: MergePlan): string =>
  [
    ...merges.map(
      ({ inputs, minTXID, maxTXID }) => `${minTXID}-${maxTXID}(${inputs.map((one) => `${one.minTXID}-${one.maxTXID}`).join(' ')})`,
    ),
    ...(hole === undefined ? [] : [`hole ${hole.minTXID}-${hole.maxTXID}`]),
  ].join(' ');

const plan = (end: number, sources: readonly FileInfo[], more: { bridge?: number; files?: number; bytes?: number } = {}): string =>
  words(
    planMerges({
      level: 1,
      end: toTXID(end),
      sources,
      ...(more.bridge === undefined ? {} : { bridge: toTXID(more.bridge) }),
      limits: { files: more.files ?? 256, bytes: more.bytes ?? 1e9 },
    }),
  );

const raw = (from: number, to: number): FileInfo[] => Array.from({ length: to - from + 1 }, (_, at) => info(0, from + at, from + at));

describe('which files become which file of a level', () => {
  test('what lies behind the end of the level becomes one file', () => {
    expect(plan(0, raw(1, 3))).toBe('1-3(1-1 2-2 3-3)');
    expect(plan(2, raw(1, 4))).toBe('3-4(3-3 4-4)');
    expect(plan(4, raw(1, 4))).toBe('');
    expect(plan(0, [])).toBe('');
  });

  test('what was written before a pause longer than the interval stays a file of its own', () => {
    const at = (txid: number, createdAt: number) => ({ ...info(0, txid, txid), createdAt });
    const sources = [at(1, 0), at(2, 30_000), at(3, 60_001), at(4, 60_002), at(5, 10_000)];
    const pausing = (pauseMs: number) => words(planMerges({ level: 1, end: toTXID(0), sources, pauseMs }));
    expect(pausing(30_000)).toBe('1-2(1-1 2-2) 3-5(3-3 4-4 5-5)');
    expect(pausing(60_000)).toBe('1-5(1-1 2-2 3-3 4-4 5-5)');
  });

  test('a source that straddles the end of the level is not missed', () => {
    expect(plan(5, [info(1, 1, 3), info(1, 4, 7), info(1, 8, 9)])).toBe('4-9(4-7 8-9)');
  });

  test('files inside others are left out', () => {
    expect(plan(0, [info(1, 1, 4), info(1, 2, 3), info(1, 3, 6), info(1, 5, 5), info(1, 5, 6)])).toBe('1-6(1-4 3-6)');
  });

  test('a hole ends the plan with its name, and no file with a hole is made', () => {
    expect(plan(0, [...raw(1, 2), ...raw(5, 6)])).toBe('1-2(1-1 2-2) hole 3-4');
    expect(plan(2, raw(5, 6))).toBe('hole 3-4');
    expect(plan(0, raw(2, 3))).toBe('hole 1-1');
  });

  test('a hole that a snapshot bridges is passed over, in a file of its own', () => {
    expect(plan(0, [...raw(1, 2), ...raw(5, 6)], { bridge: 4 })).toBe('1-2(1-1 2-2) 5-6(5-5 6-6)');
    expect(plan(0, [...raw(1, 2), ...raw(5, 6)], { bridge: 3 })).toBe('1-2(1-1 2-2) hole 3-4');
  });

  test('a file too small to be one is a hole', () => {
    expect(plan(0, [info(0, 1, 1), info(0, 2, 2, { size: 99 }), info(0, 3, 3)])).toBe('1-1(1-1) hole 2-2');
  });

  test('a backlog becomes several files, bounded in number and bytes of their inputs', () => {
    expect(plan(0, raw(1, 5), { files: 2 })).toBe('1-2(1-1 2-2) 3-4(3-3 4-4) 5-5(5-5)');
    expect(plan(0, raw(1, 5), { bytes: 2500 })).toBe('1-2(1-1 2-2) 3-4(3-3 4-4) 5-5(5-5)');
    expect(plan(0, [info(0, 1, 1, { size: 9000 }), info(0, 2, 2)], { bytes: 2500 })).toBe('1-1(1-1) 2-2(2-2)');
  });

  test('listings need not be sorted', () => {
    expect(plan(0, raw(1, 4).reverse())).toBe(plan(0, raw(1, 4)));
  });

  test('a bridge is a chain from TXID 1 without files below the level', () => {
    const files = [...raw(1, 9), info(1, 1, 3), info(2, 4, 6), info(9, 1, 2)];
    expect([0, 1, 2, 3].map((level) => bridgedTo(level as 0, files))).toEqual([9n, 6n, 2n, 2n]);
    expect(endOf(files)).toBe(9n);
    expect(endOf([])).toBe(0n);
  });

  test('a level whose newest file is from this period is left alone, but not because of a clock that was ahead', () => {
    const at = (createdAt: number) => info(1, 1, 1, { at: createdAt });
    expect(isRecent(at(30_000), 30_000, 45_000)).toBe(true);
    expect(isRecent(at(29_999), 30_000, 45_000)).toBe(false);
    expect(isRecent(at(45_001), 30_000, 45_000)).toBe(false);
    expect(isRecent(undefined, 30_000, 45_000)).toBe(false);
  });
});

test('random layouts: the plan goes as far as anything could, and every file of it can be made', () => {
  const seed = Date.now() % 2 ** 31;
  console.log(`seed ${seed}`);
  const random = new Random(seed);
  for (let run = 0; run < 3000; run++) {
    const sources = randomListing(random.next);
    const end = random.between(0, 6);
    const limits = { files: random.between(1, 4), bytes: random.between(1000, 4_000_000) };
    const { merges, hole } = planMerges({ level: 9, end: toTXID(end), sources, limits });
    let position = BigInt(end);
    for (const { inputs, minTXID, maxTXID } of merges) {
      expect(inputs.length).toBeLessThanOrEqual(limits.files);
      expect(inputs.length === 1 || inputs.reduce((sum, { size }) => sum + size, 0) <= limits.bytes).toBe(true);
      expect([minTXID, maxTXID]).toEqual([inputs[0]?.minTXID, inputs.at(-1)?.maxTXID]);
      for (const input of inputs) {
        expect(input.minTXID <= position + 1n && input.maxTXID > position).toBe(true);
        position = input.maxTXID;
      }
    }
    // A file from TXID 1 is a start of its own, wherever the level ends: it straddles.
    const furthest = largest([BigInt(end), ...reachable(sources, BigInt(end))]);
    expect(position).toBe(furthest);
    const beyond = sources.filter(({ minTXID, size }) => size >= 100 && minTXID > position + 1n).map(({ minTXID }) => minTXID);
    const first = beyond.length === 0 ? undefined : beyond.reduce((a, b) => (b < a ? b : a));
    expect(hole).toEqual(first === undefined ? undefined : { minTXID: position + 1n, maxTXID: first - 1n });
  }
});
