/** How long the launcher takes to answer what needs no database. */

import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { load } from './proc.ts';
import { digits, median, type Report, table, unlessWithin } from './report.ts';

export const name = 'startup';
export const description = 'the launcher answering `version` and `-h`, next to an empty Node';

const ROUNDS = 20;
/** ms */
const MOST = 150;
/** Of an empty Node, measured in turn: what else runs on the machine slows both. */
const MOST_TIMES = 3;
const LAUNCHER = fileURLToPath(new URL('../../src/launcher/litestream', import.meta.url));

export async function run(): Promise<Report> {
  const commands: readonly (readonly [string, string, readonly string[]])[] = [
    ['litestream version', LAUNCHER, ['version']],
    ['litestream -h', LAUNCHER, ['-h']],
    ['node -e 0', process.execPath, ['-e', '0']],
  ];
  const times = new Map<string, number[]>(commands.map(([title]) => [title, []]));
  // The first round fills caches, as the first call after an installation does.
  for (let round = -1; round < ROUNDS; round++) {
    for (const [title, command, args] of commands) {
      const begun = performance.now();
      execFileSync(command, args, { stdio: 'ignore' });
      if (round >= 0) times.get(title)?.push(performance.now() - begun);
    }
  }
  const rows = [...times].map(([title, own]) => [title, digits(median(own)), digits(Math.min(...own)), digits(Math.max(...own))]);
  const bare = median(times.get('node -e 0') ?? []);
  const limited = [...times].filter(([title]) => title.startsWith('litestream'));
  const ratios = limited.map(([title, own]) => `${title} takes ${digits(median(own) / bare)} times as long as an empty Node`);
  const lines = [
    ...table([['', 'median ms', 'best', 'worst'], ...rows]),
    ...ratios,
    `${ROUNDS} interleaved rounds; limit ${MOST} ms, on a busy machine ${MOST_TIMES} times an empty Node; ${load()}`,
  ];
  const limit = Math.max(MOST, MOST_TIMES * bare);
  return { lines, missed: limited.flatMap(([title, own]) => unlessWithin(title, median(own), limit, 'ms')) };
}
