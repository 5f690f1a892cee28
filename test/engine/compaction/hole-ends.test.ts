import { describe, expect, test } from 'vitest';
import { Random, randomFrom } from '../../support/random.ts';
import { NaiveDatabase } from '../restore/ltx-files.ts';
import { Scene } from './setting.ts';

const seed = Date.now() % 2 ** 31;
console.log(`seed ${seed}`);

/** Twelve transactions, of which level 0 has those from `first` on. */
async function scene(first: number): Promise<{ at: Scene; database: NaiveDatabase }> {
  const at = new Scene();
  const database = new NaiveDatabase(512, randomFrom(new Random(seed).between(1, 2 ** 30)));
  for (let txid = 1; txid <= 12; txid++) {
    database.step(12);
    if (txid >= first) await at.put(database, 0, txid);
  }
  return { at, database };
}

describe('a hole in the level below takes nothing from beneath it that lies behind its end', () => {
  test('where a snapshot leads over it', async () => {
    const { at, database } = await scene(7);
    await at.put(database, 9, 1, 4);
    await at.put(database, 1, 5, 6);
    await at.put(database, 1, 7, 8);
    await at.put(database, 2, 1, 2);
    await at.compact(2);
    expect(await at.ranges(2)).toBe('1-2 5-8');
    await at.compact(1);
    await at.compact(2);
    expect(await at.ranges(2)).toBe('1-2 5-8 9-12');
    await at.removeLevels(0, 1);
    await at.expectStates(database, [8, 12]);
  });

  test('where it is filled', async () => {
    const { at, database } = await scene(1);
    await at.put(database, 1, 1, 2);
    await at.put(database, 1, 5, 6);
    await at.compact(2);
    expect(await at.ranges(2)).toBe('1-6');
    await at.compact(1);
    await at.compact(2);
    expect(await at.ranges(2)).toBe('1-6 7-12');
    await at.removeLevels(0, 1);
    await at.expectStates(database, [6, 12]);
  });
});
