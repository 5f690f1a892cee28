import { describe, expect, test } from 'vitest';
import { DESTINATIONS } from '../e2e/destinations.ts';
import { type DestinationFeatures, DestinationLife } from '../model/destination-life.ts';
import { Random, seedFromEnvironment } from '../support/random.ts';
import { available, SERVICE_START_MS } from '../support/services.ts';

const ROUNDS = 3;

const LIVES: readonly DestinationFeatures[] = [
  {},
  { large: true, lease: true },
  { encrypted: true, second: true },
  { encrypted: true, large: true, lease: true },
];

describe.each(DESTINATIONS)('on a line to $name that cuts, delays, loses answers and delivers twice, through kills', (destination) => {
  const reason = destination.service === undefined ? undefined : available(destination.service);

  test.skipIf(reason !== undefined).each(LIVES.map((features) => ({ features, name: Object.keys(features).join(', ') || 'nothing else' })))(
    'every listed moment is what it was, and in the end all is there, with $name',
    async ({ features }) => {
      const seed = seedFromEnvironment();
      console.log(`destination life at ${destination.name}: seed ${seed} (repeat with MODEL_SEED=${seed})`);
      const life = await DestinationLife.begin(destination, new Random(seed), features);
      try {
        await life.live(ROUNDS);
        expect(life.report.kills).toBe(ROUNDS);
      } finally {
        console.log(JSON.stringify(life.report));
        await life.close();
      }
    },
    SERVICE_START_MS + 15 * 60_000,
  );
});
