import { describe, expect, test } from 'vitest';
import { beyondBound, chooseCut, type Demand, isBeyond } from '../../../src/engine/upload/backlog.ts';
import type { LocalFile } from '../../../src/engine/upload/local-log.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';

const NOW = 1_000_000;
const BOUND = { bytes: 800, ageMs: 10_000 };
const HOUR = 3_600_000;

/** Files of 100 bytes; the newest is `last`, each `apartMs` older than the next. */
const files = (first: number, last: number, apartMs = 1): LocalFile[] =>
  Array.from({ length: last - first + 1 }, (_, i) => ({ txid: toTXID(first + i), size: 100, at: NOW - (last - first - i) * apartMs }));

const txids = (list: readonly LocalFile[]): number[] => list.map(({ txid }) => Number(txid));
const at = (position: number | undefined, isBeyond_ = false): Demand => ({
  position: position === undefined ? undefined : toTXID(position),
  isBeyond: isBeyond_,
});
const cut = (list: readonly LocalFile[], ...demands: readonly Demand[]) => txids(chooseCut(list, demands, BOUND, NOW));

describe('the bound', () => {
  test('is passed by more bytes, or by an older file, than it allows', () => {
    expect(isBeyond({ bytes: 800, since: NOW - 10_000 }, BOUND, NOW)).toBe(false);
    expect(isBeyond({ bytes: 801, since: NOW }, BOUND, NOW)).toBe(true);
    expect(isBeyond({ bytes: 1, since: NOW - 10_001 }, BOUND, NOW)).toBe(true);
    expect(isBeyond({ bytes: 0 }, BOUND, NOW + HOUR)).toBe(false);
  });

  test('by bytes: the oldest go until seven eighths are left', () => {
    expect(txids(beyondBound(files(1, 9), BOUND, NOW))).toEqual([]);
    expect(txids(beyondBound(files(1, 10), BOUND, NOW))).toEqual([1, 2, 3]);
    expect(txids(beyondBound(files(1, 12), BOUND, NOW))).toEqual([1, 2, 3, 4, 5]);
  });

  test('does not count the file that is being sent: a first copy of a large database is no backlog', () => {
    const [first, ...others] = files(1, 5);
    expect(beyondBound(first === undefined ? [] : [{ ...first, size: 5000 }, ...others], BOUND, NOW)).toEqual([]);
  });

  test('by age: those that are too old go, and the newest never', () => {
    expect(txids(beyondBound(files(1, 5, 4000), BOUND, NOW))).toEqual([1, 2]);
    expect(txids(beyondBound(files(1, 5, 4000), BOUND, NOW + HOUR))).toEqual([1, 2, 3, 4]);
    expect(txids(beyondBound(files(7, 7), BOUND, NOW + HOUR))).toEqual([]);
  });
});

describe('what is removed', () => {
  test('is nothing while no replica is beyond the bound', () => {
    expect(cut(files(1, 20), at(20), at(15))).toEqual([]);
  });

  test('is what only the replica beyond it waits for', () => {
    expect(cut(files(5, 20), at(20), at(5, true))).toEqual([6, 7, 8, 9, 10, 11, 12, 13]);
  });

  test('is never what another replica within the bound needs, nor the file it stands at', () => {
    expect(cut(files(5, 20), at(10), at(5, true))).toEqual([6, 7, 8, 9]);
    expect(cut(files(5, 20), at(undefined), at(5, true))).toEqual([]);
  });

  test('is never the newest, nor the one furthest confirmed', () => {
    const list = files(5, 20).map((file) => ({ ...file, at: NOW - HOUR }));
    expect(cut(list, at(8, true), at(5, true))).toEqual([6, 7, ...Array.from({ length: 11 }, (_, i) => 9 + i)]);
  });

  test('counts everything as waiting for a replica that was never heard', () => {
    expect(cut(files(1, 12), at(undefined, true), at(12))).toEqual([1, 2, 3, 4, 5]);
  });
});
