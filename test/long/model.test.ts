import { expect, test } from 'vitest';
import { Model } from '../model/rounds.ts';
import { Random, seedFromEnvironment } from '../support/random.ts';

const ROUNDS_EACH = 25;

test.each([512, 1024, 2048, 4096, 8192, 16384, 32768, 65536])(
  'page size %i: 25 rounds of killed daemons, every TXID restored',
  async (pageSize) => {
    const seed = (seedFromEnvironment() + pageSize) >>> 0;
    console.log(`model seed ${seed - pageSize}, page size ${pageSize} (repeat with MODEL_SEED=${seed - pageSize})`);
    const model = new Model(new Random(seed), pageSize);
    try {
      for (let round = 0; round < ROUNDS_EACH; round++) await model.round(20);
      await model.checkAll();
      console.log(JSON.stringify(model.report));
      expect(model.report.rounds).toBe(ROUNDS_EACH);
    } finally {
      await model.close();
    }
  },
  60 * 60_000,
);
