/** The soak of `npm run soak`, for a minute. */

import { expect, test } from 'vitest';
import { soak } from '../../tools/soak/run.ts';

const SECONDS = Number(process.env.SOAK_SECONDS ?? 60);

test(`for ${SECONDS} s of bursts, VACUUM, deletion of everything and idleness every budget holds (row 20)`, {
  timeout: (SECONDS + 240) * 1000,
}, async () => {
  const report = await soak(SECONDS, console.log);
  console.log(JSON.stringify(report));
  expect([...new Set(report.violations)]).toEqual([]);
  expect(report.cycles).toBeGreaterThan(1);
});
