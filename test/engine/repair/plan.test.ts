import { describe, expect, test } from 'vitest';
import { holesOf, planRepair } from '../../../src/engine/repair/plan.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import type { FileInfo, Level } from '../../../src/replica/file-info.ts';

const file = (level: Level, min: number, max = min, size = 1000): FileInfo => ({
  level,
  minTXID: toTXID(min),
  maxTXID: toTXID(max),
  size,
  createdAt: max,
});
const run = (first: number, last: number): FileInfo[] => Array.from({ length: last - first + 1 }, (_, i) => file(0, first + i));
const name = ({ level, minTXID, maxTXID }: FileInfo): string => `${level}:${minTXID}-${maxTXID}`;
const replaced = ({ replacements }: ReturnType<typeof planRepair>): string[] =>
  replacements.map(({ file: one, donors }) => `${name(one)} ${donors.join('+')}`);
const filled = ({ fills }: ReturnType<typeof planRepair>): string[] =>
  fills.flatMap(({ hole, ways }) => ways.map(({ donor, files }) => `${spans([hole])} ${donor} ${files.map(name).join(' ')}`));
const spans = (list: readonly { first: bigint; last: bigint }[]): string[] => list.map(({ first, last }) => `${first}-${last}`);

describe('holes', () => {
  test('are what no file of any level covers, from TXID 1 to the newest', () => {
    expect(spans(holesOf([file(9, 1, 5), file(1, 4, 8), file(0, 11)], toTXID(13)))).toEqual(['9-10', '12-13']);
    expect(spans(holesOf([file(0, 3)], toTXID(3)))).toEqual(['1-2']);
    expect(spans(holesOf(run(1, 4), toTXID(4)))).toEqual([]);
  });
});

describe('a repair', () => {
  test('of nothing is nothing', () => {
    expect(planRepair(run(1, 5), [], [{ name: 'b', files: run(1, 9) }])).toEqual({
      replacements: [],
      fills: [],
      lost: [],
      irreplaceable: [],
    });
  });

  test('replaces a damaged file by the same one, from whoever lists it', () => {
    const donors = [
      { name: 'b', files: run(1, 3) },
      { name: 'c', files: run(1, 5) },
      { name: 'd', files: run(4, 5) },
    ];
    expect(replaced(planRepair(run(1, 5), [file(0, 4)], donors))).toEqual(['0:4-4 c+d']);
  });

  test('fills a hole with the cheapest files that lead over it, from each replica that has them all', () => {
    const files = [...run(1, 3), ...run(7, 9)];
    const b = { name: 'b', files: [...run(1, 9), file(1, 4, 6, 1500), file(9, 1, 8, 5_000_000)] };
    const c = { name: 'c', files: run(3, 7) };
    expect(filled(planRepair(files, [], [{ name: 'a', files: run(4, 5) }, b, c]))).toEqual(['4-6 b 1:4-6', '4-6 c 0:4-4 0:5-5 0:6-6']);
  });

  test('puts nothing behind the newest file of the replica', () => {
    const plan = planRepair([...run(1, 3), ...run(5, 6)], [], [{ name: 'b', files: [file(1, 4, 8)] }]);
    expect(plan.fills).toEqual([]);
    expect(spans(plan.lost)).toEqual(['4-4']);
  });

  test('fills what a damaged file leaves open where nobody has the same one', () => {
    const plan = planRepair([...run(1, 2), file(1, 3, 5), ...run(6, 7)], [file(1, 3, 5)], [{ name: 'b', files: run(1, 7) }]);
    expect(filled(plan)).toEqual(['3-5 b 0:3-3 0:4-4 0:5-5']);
    expect(plan.irreplaceable.map(name)).toEqual(['1:3-5']);
  });

  test('brings a replica without a beginning back from the snapshot of another', () => {
    const plan = planRepair(run(5, 9), [], [{ name: 'b', files: [file(9, 1, 6), ...run(7, 12)] }]);
    expect(filled(plan)).toEqual(['1-4 b 9:1-6']);
  });
});
