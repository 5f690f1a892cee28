/** Restores 1 GiB from one full file and 500 increments, next to `cp` and `fsync` of the same result. */

import { answerOf } from './child-answer.ts';
import { copyWithCp } from './copy.ts';
import { makeLongReplica } from './long-replica.ts';
import { load } from './proc.ts';
import { digits, MIB, median, megabytesPerSecond, percent, type Report, unlessWithin } from './report.ts';
import type { RestoreFacts } from './restore-child.ts';
import { Scene, settleDisk } from './scene.ts';

export const name = 'restore';
export const description = '1 GiB from one full file and 500 increments of 200 random pages, file replica to file';

const BYTES = Number(process.env.BENCH_RESTORE_MIB ?? 1024) * MIB;
const INCREMENTS = 500;
const TOUCHED = 200;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
/** MiB resident. */
const MEMORY_CEILING = 200;

export function run(): Promise<Report> {
  return Scene.with(name, async (scene) => {
    const replica = scene.path('replica');
    makeLongReplica(replica, { bytes: BYTES, increments: INCREMENTS, touched: TOUCHED });
    const restores: RestoreFacts[] = [];
    const copies: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const output = scene.path(`restored-${round}`);
      settleDisk();
      restores.push(await answerOf<RestoreFacts>(scene, './restore-child.ts', [replica, output]));
      settleDisk();
      copies.push(copyWithCp(output, scene.path('copy')));
      for (const path of [output, scene.path('copy')]) scene.remove(path);
    }
    return report(restores, copies);
  });
}

function report(restores: readonly RestoreFacts[], copies: readonly number[]): Report {
  const speeds = restores.map(({ sizeBytes, durationMs }) => megabytesPerSecond(sizeBytes, durationMs));
  const copySpeeds = copies.map((ms) => megabytesPerSecond(BYTES, ms));
  const ratios = restores.map(({ durationMs }, round) => durationMs / (copies[round] ?? Number.NaN));
  const peak = Math.max(...restores.map((facts) => facts.peakResidentBytes)) / MIB;
  const first = restores[0];
  const lines = [
    `restore        ${digits(median(speeds))} MB/s (best ${digits(Math.max(...speeds))}), fsync included; ${digits(median(restores.map(({ wallMs }) => wallMs)))} ms with the start of its thread`,
    `cp + fsync     ${digits(median(copySpeeds))} MB/s (best ${digits(Math.max(...copySpeeds))}); restore takes ${digits(median(ratios))} times as long`,
    `shares         ${sharesOf(restores)}`,
    `processor      ${digits(median(restores.map(({ userMs }) => userMs)))} ms in our code, ${digits(median(restores.map(({ systemMs }) => systemMs)))} ms in the system`,
    `read           ${digits((first?.bytesRead ?? 0) / 1e6)} MB in ${first?.filesRead} files`,
    `peak RSS       ${digits(peak)} MiB (ceiling ${MEMORY_CEILING})`,
    `${ROUNDS} interleaved pairs, medians; ${load()}`,
  ];
  return { lines, missed: unlessWithin('peak RSS', peak, MEMORY_CEILING, 'MiB') };
}

/** Of the whole duration; what is in none of the steps is listing, planning and waiting. */
function sharesOf(restores: readonly RestoreFacts[]): string {
  const steps = ['read', 'decode', 'write', 'fsync', 'check'] as const;
  const shares = steps.map((step) => [step, median(restores.map((facts) => facts.shares[step] / facts.durationMs))] as const);
  const rest = 1 - shares.reduce((sum, [, share]) => sum + share, 0);
  return [...shares, ['other', rest] as const].map(([step, share]) => `${step} ${percent(share)}`).join(', ');
}
