/** Around a run of the tests: a place for servers that tests may ask for, and the end of all that were started. */

import { Run } from '../../tools/services/run.ts';

export default async function setup(): Promise<() => Promise<void>> {
  await Run.sweep();
  const run = Run.ofThisProcess();
  process.env.LITESTREAM_SERVICES_RUN = run.path;
  // Somebody who presses Ctrl-C does not wait for the end of the run.
  const onExit = () => run.kill();
  process.once('exit', onExit);
  return async () => {
    process.off('exit', onExit);
    await run.stop();
  };
}
