import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { planRestore, type RestorePlan } from '../../../src/engine/restore/plan.ts';
import type { RestoreTarget } from '../../../src/engine/restore/target.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import type { FileInfo } from '../../../src/replica/file-info.ts';
import { between, randomFrom } from '../../support/random.ts';
import { info, randomListing } from './listing.ts';

const latest: RestoreTarget = { type: 'latest' };
const txid = (id: number): RestoreTarget => ({ type: 'txid', txid: toTXID(id) });
const asOf = (timestamp: number): RestoreTarget => ({ type: 'timestamp', timestamp });
const ranges = (plan: RestorePlan) => plan.files.map((file) => `${file.level}:${file.minTXID}-${file.maxTXID}`).join(' ');

function refusal(files: readonly FileInfo[], target: RestoreTarget): LitestreamError {
  try {
    planRestore(files, target);
  } catch (error) {
    if (error instanceof LitestreamError) return error;
    throw error;
  }
  throw new Error('the plan was not refused');
}

describe('latest', () => {
  test('takes the snapshot and what follows it', () => {
    const files = [info(0, 1, 1), info(0, 2, 2), info(9, 1, 3), info(0, 3, 3), info(0, 4, 4), info(1, 4, 6), info(0, 7, 7)];
    expect(ranges(planRestore(files, latest))).toBe('9:1-3 1:4-6 0:7-7');
  });

  test('starts at any level that holds TXID 1', () => {
    expect(ranges(planRestore([info(0, 1, 1), info(0, 2, 2)], latest))).toBe('0:1-1 0:2-2');
    expect(ranges(planRestore([info(3, 1, 5), info(0, 6, 6)], latest))).toBe('3:1-5 0:6-6');
  });

  test('goes the furthest even when the newest snapshot ends before other files do', () => {
    expect(ranges(planRestore([info(9, 1, 2), info(2, 1, 9)], latest))).toBe('2:1-9');
  });

  test('is not confused by overlapping files inside a level', () => {
    const files = [info(9, 1, 2), info(1, 2, 4), info(1, 3, 7), info(1, 5, 6), info(1, 4, 9)];
    const plan = planRestore(files, latest);
    expect(plan.reached.txid).toBe(9n);
    expect(plan.files).toHaveLength(3);
  });

  test('reads one large merged file rather than a large snapshot and hundreds of small ones only when that is less', () => {
    const small = Array.from({ length: 3 }, (_, at) => info(0, at + 2, at + 2, { size: 200 }));
    const files = [info(9, 1, 1, { size: 1_000_000 }), ...small, info(9, 1, 4, { size: 9_000_000 })];
    expect(ranges(planRestore(files, latest))).toBe('9:1-1 0:2-2 0:3-3 0:4-4');
    expect(ranges(planRestore([...files, info(1, 2, 4, { size: 500 })], latest))).toBe('9:1-1 1:2-4');
  });

  test('between equal files takes the higher level, which retention removes last', () => {
    expect(ranges(planRestore([info(0, 1, 1), info(1, 1, 1), info(2, 1, 1)], latest))).toBe('2:1-1');
  });

  test('refuses a gap behind the reached point and says what is restorable', () => {
    const error = refusal([info(9, 1, 3), info(0, 4, 4), info(0, 7, 7), info(0, 8, 8)], latest);
    expect(error.code).toBe('LTX_GAP');
    expect(error.message).toContain('0000000000000005 to 0000000000000006');
    expect(error.details).toMatchObject({ restorable: { txid: '0000000000000004', time: '1970-01-01T00:00:04.000Z' } });
  });

  test('a gap that a snapshot spans is no gap', () => {
    expect(ranges(planRestore([info(9, 1, 3), info(0, 7, 7), info(9, 1, 6)], latest))).toBe('9:1-6 0:7-7');
  });

  test('names a file that is too small to be one (row 54)', () => {
    const error = refusal([info(9, 1, 3), info(0, 4, 4, { size: 0 })], latest);
    expect(error.code).toBe('LTX_TRUNCATED');
    expect(error.message).toContain('0000000000000004');
  });

  test('passes over a file that is too small when it is not needed', () => {
    expect(ranges(planRestore([info(9, 1, 3), info(0, 2, 2, { size: 99 })], latest))).toBe('9:1-3');
  });
});

describe('nothing to start from', () => {
  test('an empty replica is told apart from one without a beginning', () => {
    expect(refusal([], latest)).toMatchObject({ code: 'NO_SNAPSHOT', details: { files: 0 } });
    expect(refusal([info(0, 2, 2), info(0, 3, 3)], latest)).toMatchObject({ code: 'NO_SNAPSHOT', details: { files: 2 } });
  });

  test('applies to every kind of target', () => {
    expect(refusal([info(0, 2, 2)], txid(2)).code).toBe('NO_SNAPSHOT');
    expect(refusal([info(0, 2, 2)], asOf(9e9)).code).toBe('NO_SNAPSHOT');
  });
});

describe('a TXID', () => {
  const files = [info(9, 1, 3), info(1, 4, 6), info(0, 7, 7)];

  test('must be the end of a chain', () => {
    expect(ranges(planRestore(files, txid(6)))).toBe('9:1-3 1:4-6');
    expect(planRestore(files, txid(6)).nextPoint).toEqual({ txid: 7n, time: 7000 });
  });

  test('inside a merged file is refused with both neighbours', () => {
    const error = refusal(files, txid(5));
    expect(error.code).toBe('TX_NOT_AVAILABLE');
    expect(error.details).toEqual({
      before: { txid: '0000000000000003', time: '1970-01-01T00:00:03.000Z' },
      after: { txid: '0000000000000006', time: '1970-01-01T00:00:06.000Z' },
    });
  });

  test('outside the replica is refused with the one neighbour', () => {
    expect(refusal(files, txid(99)).details).toEqual({
      before: { txid: '0000000000000007', time: '1970-01-01T00:00:07.000Z' },
      after: undefined,
    });
    expect(refusal(files, txid(0)).details).toMatchObject({ before: undefined, after: { txid: '0000000000000003' } });
  });

  test('before a gap stays restorable', () => {
    expect(ranges(planRestore([...files, info(0, 9, 9)], txid(7)))).toBe('9:1-3 1:4-6 0:7-7');
  });

  test('of a full level-0 file after TXID 1 still needs the chain before it', () => {
    expect(ranges(planRestore([info(0, 1, 1), info(0, 2, 2, { size: 500_000 }), info(0, 3, 3)], txid(3)))).toBe('0:1-1 0:2-2 0:3-3');
    expect(refusal([info(0, 2, 2, { size: 500_000 })], txid(2)).code).toBe('NO_SNAPSHOT');
  });
});

describe('a timestamp', () => {
  const files = [info(9, 1, 3), info(0, 4, 4), info(0, 5, 5), info(1, 6, 9), info(0, 10, 10)];

  test('means strictly before', () => {
    expect(planRestore(files, asOf(5000)).reached).toEqual({ txid: 4n, time: 4000 });
    expect(planRestore(files, asOf(5001)).reached).toEqual({ txid: 5n, time: 5000 });
  });

  test('says how far before it the state is, and why (row 55)', () => {
    expect(planRestore(files, asOf(4500)).shortfall).toEqual({ ms: 500, cause: 'exact' });
    expect(planRestore(files, asOf(8999)).shortfall).toEqual({ ms: 3999, cause: 'merged' });
    expect(planRestore(files, asOf(8999)).nextPoint).toEqual({ txid: 9n, time: 9000 });
    expect(planRestore(files, asOf(12_000)).shortfall).toEqual({ ms: 2000, cause: 'end' });
    expect(planRestore([info(9, 1, 3), info(0, 5, 5)], asOf(6000)).shortfall).toEqual({ ms: 3000, cause: 'gap' });
  });

  test('before the oldest state is refused with the window', () => {
    const error = refusal(files, asOf(3000));
    expect(error.code).toBe('TIME_OUT_OF_RANGE');
    expect(error.details).toEqual({ oldest: '1970-01-01T00:00:03.000Z', newest: '1970-01-01T00:00:10.000Z' });
  });

  test('counts a state from when it was first stored, not from when it was snapshotted', () => {
    const late = [info(0, 1, 1, { size: 5_000_000 }), info(0, 2, 2, { size: 5_000_000 }), info(9, 1, 2, { at: 9000, size: 1000 })];
    const plan = planRestore(late, asOf(5000));
    expect(plan.reached).toEqual({ txid: 2n, time: 2000 });
    expect(ranges(plan)).toBe('9:1-2');
  });
});

describe('against every chain there is', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e9);

  test(`random layouts: furthest state, least cost, sound chain (seed ${seed}) (row 53)`, () => {
    const random = randomFrom(seed);
    for (let round = 0; round < 3000; round++) {
      const files = randomListing(random);
      const choice = random();
      const target = choice < 0.3 ? latest : choice < 0.6 ? txid(between(random, 1, 10)) : asOf(between(random, 500, 12_500));
      expect(outcome(files, target), `seed ${seed} round ${round}`).toEqual(oracle(files, target));
    }
  });
});

function outcome(files: readonly FileInfo[], target: RestoreTarget): unknown {
  try {
    const plan = planRestore(files, target);
    expectSound(plan);
    return { txid: plan.reached.txid, cost: cost(plan.files) };
  } catch (error) {
    if (error instanceof LitestreamError) return error.code;
    throw error;
  }
}

function expectSound(plan: RestorePlan): void {
  let covered = 0n;
  for (const file of plan.files) {
    expect(file.minTXID <= covered + 1n && file.maxTXID > covered).toBe(true);
    covered = file.maxTXID;
  }
  expect(plan.files[0]?.minTXID).toBe(1n);
  expect(covered).toBe(plan.reached.txid);
}

const cost = (files: readonly FileInfo[]) => files.reduce((sum, file) => sum + file.size + 128 * 1024, 0);

/** Tries every chain. */
function oracle(files: readonly FileInfo[], target: RestoreTarget): unknown {
  const time = (file: FileInfo) => Math.min(...files.filter((other) => other.maxTXID === file.maxTXID).map((other) => other.createdAt));
  const usable = target.type === 'timestamp' ? files.filter((file) => time(file) < target.timestamp) : files;
  const all = cheapest(files);
  if (all.size === 0) return 'NO_SNAPSHOT';
  const best = cheapest(usable);
  if (target.type === 'txid') {
    const found = best.get(target.txid);
    return found === undefined ? 'TX_NOT_AVAILABLE' : { txid: target.txid, cost: found };
  }
  if (best.size === 0) return 'TIME_OUT_OF_RANGE';
  const furthest = [...best.keys()].reduce((a, b) => (a > b ? a : b));
  if (target.type === 'latest' && files.some((file) => file.maxTXID > furthest)) return 'LTX_GAP';
  return { txid: furthest, cost: best.get(furthest) };
}

function cheapest(files: readonly FileInfo[]): Map<bigint, number> {
  const best = new Map<bigint, number>();
  const walk = (covered: bigint, chain: readonly FileInfo[]): void => {
    for (const file of files) {
      const fits = chain.length === 0 ? file.minTXID === 1n : file.minTXID <= covered + 1n && file.minTXID > 1n && file.maxTXID > covered;
      if (!fits) continue;
      const longer = [...chain, file];
      const spent = cost(longer);
      if (spent < (best.get(file.maxTXID) ?? Infinity)) best.set(file.maxTXID, spent);
      walk(file.maxTXID, longer);
    }
  };
  walk(0n, []);
  return best;
}
