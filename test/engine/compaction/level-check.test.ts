import { expect, test } from 'vitest';
import { checkLevel, checkLevels } from '../../../src/engine/compaction/level-check.ts';
import type { FileInfo } from '../../../src/replica/file-info.ts';
import { info } from '../restore/listing.ts';

const words = (files: readonly FileInfo[]): string =>
  checkLevels(files)
    .map(({ level, kind, minTXID, maxTXID }) => `${level} ${kind} ${minTXID}-${maxTXID}`)
    .join(', ');

test('levels whose files follow each other are in order, wherever they begin and end', () => {
  expect(words([info(0, 5, 5), info(0, 6, 6), info(1, 1, 3), info(1, 4, 6), info(9, 1, 2), info(9, 1, 6)])).toBe('');
  expect(words([])).toBe('');
});

test('a gap inside a level is found, also where the listing is not sorted', () => {
  expect(words([info(0, 8, 8), info(0, 5, 5), info(1, 7, 9), info(1, 1, 3)])).toBe('0 gap 6-7, 1 gap 4-6');
});

test('a gap that a snapshot leads over is none', () => {
  expect(words([info(1, 1, 3), info(1, 7, 9), info(9, 1, 6)])).toBe('');
  expect(words([info(1, 1, 3), info(1, 7, 9), info(9, 1, 5)])).toBe('1 gap 4-6');
});

test('an overlap is found once, with the transactions that are there twice', () => {
  expect(words([info(2, 1, 5), info(2, 4, 9), info(2, 10, 12)])).toBe('2 overlap 4-5');
  expect(words([info(2, 1, 9), info(2, 4, 6), info(2, 10, 12)])).toBe('2 overlap 4-6');
});

test('a file too small to be one leaves a gap', () => {
  expect(checkLevel(0, [info(0, 1, 1), info(0, 2, 2, { size: 12 }), info(0, 3, 3)])).toMatchObject([{ kind: 'gap', minTXID: 2n }]);
});
