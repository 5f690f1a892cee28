/** Around a run of the tests: a place for servers that tests may ask for, and the end of all that were started. */

import { Run } from '../../tools/services/run.ts';

export default async function setup(): Promise<() => Promise<void>> {
  await Run.sweep();
  const run = Run.ofThisProcess();
  process.env.LITESTREAM_SERVICES_RUN = run.path;
  return () => run.stop();
}
