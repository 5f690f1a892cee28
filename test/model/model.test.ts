import { expect, test } from 'vitest';
import { Random, seedFromEnvironment } from '../support/random.ts';
import { Model, type ModelReport } from './rounds.ts';

const ROUNDS = 20;
const PAGE_SIZES = [4096, 512, 65536, 1024, 16384];

test(
  'whatever a killed daemon left behind restores to a state the application had, in its order',
  async () => {
    const seed = seedFromEnvironment();
    console.log(`model seed ${seed} (repeat with MODEL_SEED=${seed})`);
    const random = new Random(seed);
    const reports: ModelReport[] = [];
    for (const pageSize of PAGE_SIZES) {
      const model = new Model(random, pageSize);
      try {
        for (let round = 0; round < ROUNDS / PAGE_SIZES.length; round++) await model.round(20);
        await model.checkAll();
        reports.push(model.report);
      } finally {
        await model.close();
      }
    }
    console.log(`model: ${reports.map((report) => JSON.stringify(report)).join(' ')}`);
    expect(reports.reduce((sum, report) => sum + report.rounds, 0)).toBe(ROUNDS);
  },
  20 * 60_000,
);
