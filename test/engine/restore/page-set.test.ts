import { expect, test } from 'vitest';
import { PageSet } from '../../../src/engine/restore/page-set.ts';
import { between, randomFrom } from '../../support/random.ts';

test('a page set agrees with a plain set, also across its chunks', () => {
  const random = randomFrom(6);
  for (const size of [1, 7, 8, 9, 1000, 600_000]) {
    const pages = new PageSet(size);
    const plain = new Set<number>();
    for (let round = 0; round < 2000; round++) {
      const pgno = between(random, 1, size);
      expect(pages.has(pgno)).toBe(plain.has(pgno));
      pages.add(pgno);
      plain.add(pgno);
    }
    expect(pages.count).toBe(plain.size);
    expect([...pages.values()]).toEqual([...plain].sort((a, b) => a - b));
    let missing: number | undefined;
    for (let pgno = 1; pgno <= size && missing === undefined; pgno++) if (!plain.has(pgno) && pgno !== 2) missing = pgno;
    expect(pages.firstMissing(2)).toBe(missing);
  }
});

test('a size that an unverified header claims takes no memory', () => {
  const before = process.memoryUsage().arrayBuffers;
  const pages = new PageSet(0xffff_ffff);
  pages.add(0xffff_fffe);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  expect(pages.firstMissing(0)).toBe(1);
});

test('the first missing page is found behind millions of present ones', () => {
  const pages = new PageSet(2_000_001);
  for (let pgno = 1; pgno <= 2_000_000; pgno++) pages.add(pgno);
  expect(pages.firstMissing(0)).toBe(2_000_001);
  expect(pages.firstMissing(2_000_001)).toBeUndefined();
});
