import { describe, expect, test } from 'vitest';
import { Life, type LifeFeature } from '../model/life.ts';
import { Random, seedFromEnvironment } from '../support/random.ts';

const ROUNDS_EACH = 15;

async function live(pageSize: number, features: readonly LifeFeature[]): Promise<void> {
  const seed = (seedFromEnvironment() + pageSize) >>> 0;
  console.log(`life seed ${seed - pageSize}, page size ${pageSize} (repeat with MODEL_SEED=${seed - pageSize})`);
  const life = new Life(new Random(seed), pageSize, features);
  try {
    for (let round = 0; round < ROUNDS_EACH; round++) await life.round();
    expect(life.report.rounds).toBe(ROUNDS_EACH);
  } finally {
    console.log(JSON.stringify(life.report));
    await life.close();
  }
}

describe('15 rounds of merging, expiry, faults and kills; every retained moment stays what it was', () => {
  test.each([512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])('page size %i', (pageSize) => live(pageSize, []), 60 * 60_000);

  const LIVES: readonly (readonly LifeFeature[])[] = [
    ['cold', 'proofs', 'third'],
    ['backlog', 'third', 'resets'],
    ['clock', 'proofs'],
    ['page-sizes', 'cold', 'resets'],
    ['damage', 'third'],
    ['lost-puts', 'backlog'],
    ['returns', 'cold'],
    // Nothing of these is ever lost, so that no proof may fail.
    ['cold', 'proofs', 'page-sizes', 'returns', 'third', 'resets'],
    ['proofs', 'page-sizes', 'backlog', 'returns', 'resets', 'clock'],
    ['cold', 'proofs', 'backlog', 'resets', 'clock', 'page-sizes', 'damage', 'third', 'lost-puts', 'returns'],
  ];
  test.each(LIVES.map((features) => ({ features, name: features.join(', ') })))(
    'with $name',
    ({ features }) => live(4096, features),
    60 * 60_000,
  );
});
