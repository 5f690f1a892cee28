import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { type LegacyPlan, type LegacyTarget, planLegacy } from '../../../src/engine/legacy/plan.ts';
import type { LegacyGeneration } from '../../../src/replica/legacy/listing.ts';

const A = 'aaaaaaaaaaaaaaaa';
const B = 'bbbbbbbbbbbbbbbb';
const LATEST: LegacyTarget = { type: 'latest' };

/** Snapshots as [index, time], segments as [index, offset, time]. */
function generation(
  id: string,
  snapshots: readonly (readonly [number, number])[],
  segments: readonly (readonly [number, number, number])[],
): LegacyGeneration {
  return {
    id,
    snapshots: snapshots.map(([index, createdAt]) => ({ key: `s${index}`, index, size: 10, createdAt })),
    segments: segments.map(([index, offset, createdAt]) => ({ key: `w${index}_${offset}`, index, offset, size: 1, createdAt })),
  };
}

const plan = (target: LegacyTarget, id: string | undefined, ...generations: readonly LegacyGeneration[]): LegacyPlan =>
  planLegacy({ generations, unknown: [] }, target, id);

const keys = ({ snapshot, segments }: LegacyPlan): string[] => [snapshot.key, ...segments.map(({ key }) => key)];

function refusal(work: () => unknown): LitestreamError {
  try {
    work();
  } catch (error) {
    if (error instanceof LitestreamError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

const long = generation(
  A,
  [
    [0, 10],
    [2, 50],
  ],
  [
    [0, 0, 11],
    [0, 100, 20],
    [1, 0, 30],
    [1, 64, 40],
    [2, 0, 51],
    [2, 32, 60],
    [3, 0, 70],
  ],
);

describe('a plan of version 0.3', () => {
  test('begins with the newest snapshot and takes every segment behind it', () => {
    const newest = plan(LATEST, undefined, long);
    expect(keys(newest)).toEqual(['s2', 'w2_0', 'w2_32', 'w3_0']);
    expect(newest).toMatchObject({ generation: A, reached: { index: 3, offset: 0, time: 70 }, totals: { files: 4, bytes: 13 } });
  });

  test('counts files of the very moment asked for, and cuts the tail behind it', () => {
    expect(keys(plan({ type: 'timestamp', timestamp: 40 }, undefined, long))).toEqual(['s0', 'w0_0', 'w0_100', 'w1_0', 'w1_64']);
    expect(keys(plan({ type: 'timestamp', timestamp: 39 }, undefined, long))).toEqual(['s0', 'w0_0', 'w0_100', 'w1_0']);
    expect(keys(plan({ type: 'timestamp', timestamp: 50 }, undefined, long))).toEqual(['s2']);
    expect(plan({ type: 'timestamp', timestamp: 45 }, undefined, long)).toMatchObject({
      shortfall: { ms: 5, cause: 'exact' },
      nextPoint: { index: 2, offset: 0, time: 51 },
    });
    expect(plan({ type: 'timestamp', timestamp: 99 }, undefined, long).shortfall).toEqual({ ms: 29, cause: 'end' });
  });

  test('a segment that came late cuts what stands behind it', () => {
    const late = generation(
      A,
      [[0, 10]],
      [
        [0, 0, 11],
        [0, 100, 50],
        [0, 200, 20],
      ],
    );
    expect(keys(plan({ type: 'timestamp', timestamp: 30 }, undefined, late))).toEqual(['s0', 'w0_0']);
  });

  test('ends with the WAL of an index, or with one segment', () => {
    expect(keys(plan({ type: 'index', index: 1 }, A, long))).toEqual(['s0', 'w0_0', 'w0_100', 'w1_0', 'w1_64']);
    expect(keys(plan({ type: 'index', index: 2 }, A, long))).toEqual(['s2', 'w2_0', 'w2_32']);
    expect(keys(plan({ type: 'segment', index: 1, offset: 0 }, A, long))).toEqual(['s0', 'w0_0', 'w0_100', 'w1_0']);
    expect(keys(plan({ type: 'segment', index: 2, offset: undefined }, A, long))).toEqual(['s2']);
    for (const target of [
      { type: 'index', index: 4 },
      { type: 'segment', index: 1, offset: 32 },
    ] as const) {
      expect(refusal(() => plan(target, A, long)).code).toBe('TX_NOT_AVAILABLE');
    }
  });

  test('issues 1229 and 1230: a WAL that is left out is named, and only before the target (row 61)', () => {
    const hole = generation(
      A,
      [[0, 10]],
      [
        [0, 0, 11],
        [2, 0, 30],
        [2, 32, 40],
      ],
    );
    expect(refusal(() => plan(LATEST, undefined, hole))).toMatchObject({
      code: 'LEGACY_INVALID',
      details: { missing: '00000001_00000000' },
    });
    expect(keys(plan({ type: 'timestamp', timestamp: 29 }, undefined, hole))).toEqual(['s0', 'w0_0']);
    expect(keys(plan({ type: 'index', index: 0 }, A, hole))).toEqual(['s0', 'w0_0']);
  });

  test.each([
    ['the first WAL', generation(A, [[1, 10]], [[2, 0, 20]]), '00000001_00000000'],
    ['the beginning of the first WAL', generation(A, [[0, 10]], [[0, 64, 20]]), '00000000_00000000'],
    [
      'the beginning of a later WAL',
      generation(
        A,
        [[0, 10]],
        [
          [0, 0, 20],
          [1, 64, 30],
        ],
      ),
      '00000001_00000000',
    ],
  ])('%s missing is named', (_what, found, missing) => {
    expect(refusal(() => plan(LATEST, undefined, found))).toMatchObject({ code: 'LEGACY_INVALID', details: { missing } });
  });

  test('holes before the snapshot do not count', () => {
    const old = generation(
      A,
      [[5, 60]],
      [
        [0, 0, 10],
        [3, 64, 20],
        [5, 0, 70],
      ],
    );
    expect(keys(plan(LATEST, undefined, old))).toEqual(['s5', 'w5_0']);
  });
});

describe('of several generations', () => {
  test('the one with the newest file counts, also against a late snapshot of an old one', () => {
    const old = generation(
      A,
      [
        [0, 10],
        [4, 55],
      ],
      [],
    );
    const live = generation(
      B,
      [[0, 20]],
      [
        [0, 0, 30],
        [0, 64, 60],
      ],
    );
    expect(plan(LATEST, undefined, old, live)).toMatchObject({ generation: B, reached: { time: 60 } });
    expect(plan({ type: 'timestamp', timestamp: 58 }, undefined, old, live)).toMatchObject({ generation: A, reached: { time: 55 } });
    expect(plan({ type: 'timestamp', timestamp: 15 }, undefined, old, live)).toMatchObject({
      generation: A,
      reached: { index: 0, time: 10 },
    });
    expect(plan(LATEST, A, old, live).generation).toBe(A);
  });

  test('one without a snapshot is passed over', () => {
    expect(plan(LATEST, undefined, generation(A, [[0, 10]], []), generation(B, [], [[0, 0, 90]])).generation).toBe(A);
    expect(refusal(() => plan(LATEST, undefined, generation(B, [], [[0, 0, 90]])))).toMatchObject({
      code: 'NO_SNAPSHOT',
      details: { files: 1 },
    });
  });

  test('a hole in the newest is an error that names the others, never quietly an older state', () => {
    const error = refusal(() => plan(LATEST, undefined, generation(A, [[0, 10]], []), generation(B, [[0, 20]], [[1, 0, 30]])));
    expect(error.code).toBe('LEGACY_INVALID');
    expect(error.hint).toContain(A);
  });

  test('what is not there is said', () => {
    expect(refusal(() => plan(LATEST, undefined))).toMatchObject({ code: 'NO_SNAPSHOT', details: { files: 0 } });
    expect(refusal(() => plan(LATEST, B, long))).toMatchObject({ code: 'NO_SNAPSHOT', details: { generations: [A] } });
    expect(refusal(() => plan({ type: 'timestamp', timestamp: 9 }, undefined, long)).code).toBe('TIME_OUT_OF_RANGE');
  });
});
