import { expect, test } from 'vitest';
import { Random, seedFromEnvironment } from '../support/random.ts';
import { Life, type LifeReport } from './life.ts';

const ROUNDS = 3;

test(
  'through merging, snapshots, expiry, faults of one replica and kills every retained moment restores to what it was, and the replicas converge (row 22)',
  async () => {
    const seed = seedFromEnvironment();
    console.log(`life seed ${seed} (repeat with MODEL_SEED=${seed})`);
    const random = new Random(seed);
    const reports: LifeReport[] = [];
    for (const pageSize of [4096, 1024]) {
      const life = new Life(random, pageSize);
      try {
        for (let round = 0; round < ROUNDS; round++) await life.round();
        reports.push(life.report);
      } finally {
        await life.close();
      }
    }
    console.log(`life: ${reports.map((report) => JSON.stringify(report)).join(' ')}`);
    for (const report of reports) {
      expect(report.repeated).toBeGreaterThan(0);
      expect(report.expired).toBeGreaterThan(0);
    }
  },
  6 * 60_000,
);
