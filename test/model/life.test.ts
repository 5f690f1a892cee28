import { expect, test } from 'vitest';
import { Random, seedFromEnvironment } from '../support/random.ts';
import { Life, type LifeFeature, type LifeReport } from './life.ts';

/** Lives for `rounds`; the seed and what has happened are printed. */
async function live(pageSize: number, rounds: number, features: readonly LifeFeature[]): Promise<LifeReport> {
  const seed = seedFromEnvironment();
  console.log(`life seed ${seed} (repeat with MODEL_SEED=${seed})`);
  const life = new Life(new Random(seed), pageSize, features);
  try {
    for (let round = 0; round < rounds; round++) await life.round();
    // On a slow machine little happens in a round.
    while (life.report.repeated * life.report.expired === 0 && life.report.rounds < 3 * rounds) await life.round();
    return life.report;
  } finally {
    console.log(`life: ${JSON.stringify(life.report)}`);
    await life.close();
  }
}

test(
  'through merging, snapshots, expiry, faults of one replica and kills every retained moment restores to what it was, and the replicas converge (row 22)',
  async () => {
    const { repeated, expired } = await live(4096, 3, []);
    expect(repeated).toBeGreaterThan(0);
    expect(expired).toBeGreaterThan(0);
  },
  20 * 60_000,
);

test(
  'and where idle databases are closed, replicas verified, the local state begun anew, and the page size changed',
  async () => {
    const { repeated } = await live(1024, 2, ['cold', 'proofs', 'resets', 'page-sizes']);
    expect(repeated).toBeGreaterThan(0);
  },
  20 * 60_000,
);
