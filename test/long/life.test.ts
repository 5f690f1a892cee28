import { expect, test } from 'vitest';
import { Life } from '../model/life.ts';
import { Random, seedFromEnvironment } from '../support/random.ts';

const ROUNDS_EACH = 15;

test.each([512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])(
  'page size %i: 15 rounds of merging, expiry, faults and kills; every retained moment stays what it was',
  async (pageSize) => {
    const seed = (seedFromEnvironment() + pageSize) >>> 0;
    console.log(`life seed ${seed - pageSize}, page size ${pageSize} (repeat with MODEL_SEED=${seed - pageSize})`);
    const life = new Life(new Random(seed), pageSize);
    try {
      for (let round = 0; round < ROUNDS_EACH; round++) await life.round();
      console.log(JSON.stringify(life.report));
      expect(life.report.rounds).toBe(ROUNDS_EACH);
    } finally {
      await life.close();
    }
  },
  60 * 60_000,
);
