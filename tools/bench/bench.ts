/** Runs the benches named on the command line, or all; exits with 1 when one misses a limit or fails. */

import type { Bench } from './report.ts';

const BENCHES: readonly (() => Promise<Bench>)[] = [
  () => import('./kernels.ts'),
  () => import('./restore.ts'),
  () => import('./snapshot.ts'),
  () => import('./application.ts'),
  () => import('./lag.ts'),
  () => import('./idle.ts'),
  () => import('./directory.ts'),
  () => import('./s3.ts'),
  () => import('./requests.ts'),
  () => import('./startup.ts'),
];

const all = await Promise.all(BENCHES.map((load) => load()));
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !all.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(`Error: no bench named ${unknown.join(', ')}. There are:`);
  for (const { name, description } of all) console.error(`  ${name.padEnd(12)} ${description}`);
  process.exit(2);
}

const failures: string[] = [];
for (const bench of all.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
  console.log(`${bench.name}: ${bench.description}`);
  const begun = performance.now();
  for (const failure of await attempt(bench)) {
    console.log(`  MISSED ${failure}`);
    failures.push(`${bench.name}: ${failure}`);
  }
  console.log(`  (${((performance.now() - begun) / 1000).toFixed(0)} s)\n`);
}
console.log(failures.length === 0 ? 'all limits hold' : `${failures.length} missed:\n${failures.map((line) => `  ${line}`).join('\n')}`);
process.exitCode = failures.length === 0 ? 0 : 1;

async function attempt(bench: Bench): Promise<readonly string[]> {
  try {
    const { lines, missed } = await bench.run();
    for (const line of lines) console.log(`  ${line}`);
    return missed;
  } catch (error) {
    return [`could not be measured: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`];
  }
}
