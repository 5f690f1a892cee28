/** Restores 1 GiB from one full file and 500 increments, next to `cp` and `fsync` of the same result. */

import { answerOf } from './child-answer.ts';
import { copyWithCp } from './copy.ts';
import { measureKernel } from './kernels.ts';
import { makeLongReplica, PAGE_SIZE } from './long-replica.ts';
import { load } from './proc.ts';
import { digits, MIB, median, megabytesPerSecond, percent, type Report, unlessWithin } from './report.ts';
import type { RestoreFacts } from './restore-child.ts';
import { samplePages } from './sample-pages.ts';
import { Scene, settleDisk } from './scene.ts';

export const name = 'restore';
export const description = '1 GiB from one full file and 500 increments of 200 random pages, file replica to file';

const BYTES = Number(process.env.BENCH_RESTORE_MIB ?? 1024) * MIB;
const INCREMENTS = 500;
const TOUCHED = 200;
const SAMPLE_BYTES = 40 * MIB;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);
/** MiB resident. */
const MEMORY_CEILING = 200;

interface Round {
  readonly chain: RestoreFacts;
  /** Of the full file alone. */
  readonly full: RestoreFacts;
  readonly copyMs: number;
}

/** Of the kernels, MB/s. */
interface Speeds {
  readonly lz4: number;
  readonly crc: number;
}

export function run(): Promise<Report> {
  return Scene.with(name, async (scene) => {
    const replica = scene.path('replica');
    const sample = samplePages(SAMPLE_BYTES, PAGE_SIZE);
    makeLongReplica(replica, sample, { bytes: BYTES, increments: INCREMENTS, touched: TOUCHED });
    const rounds: Round[] = [];
    for (let round = 0; round < ROUNDS; round++) rounds.push(await measure(scene, replica));
    const kernels = measureKernel(sample);
    return report(rounds, { lz4: kernels['lz4-decompress'] ?? Number.NaN, crc: kernels.crc64 ?? Number.NaN });
  });
}

async function measure(scene: Scene, replica: string): Promise<Round> {
  const [full, chain, copy] = [scene.path('full'), scene.path('chain'), scene.path('copy')];
  settleDisk();
  const ofFull = await answerOf<RestoreFacts>(scene, './restore-child.ts', [replica, full, '1']);
  settleDisk();
  const ofChain = await answerOf<RestoreFacts>(scene, './restore-child.ts', [replica, chain]);
  settleDisk();
  const copyMs = copyWithCp(chain, copy);
  for (const path of [full, chain, copy]) scene.remove(path);
  return { full: ofFull, chain: ofChain, copyMs };
}

function report(rounds: readonly Round[], speeds: Speeds): Report {
  const chains = rounds.map(({ chain }) => chain);
  const copies = rounds.map(({ copyMs }) => megabytesPerSecond(BYTES, copyMs));
  const peak = Math.max(...chains.map((facts) => facts.peakResidentBytes)) / MIB;
  const first = chains[0];
  const lines = [
    `whole chain     ${speedOf(chains)}, fsync included; ${ratioOf(rounds, ({ chain }) => chain)} times as long as cp`,
    `full file only  ${speedOf(rounds.map(({ full }) => full))}, fsync included; ${ratioOf(rounds, ({ full }) => full)} times as long as cp`,
    `cp + fsync      ${digits(median(copies))} MB/s (best ${digits(Math.max(...copies))})`,
    `shares          ${sharesOf(chains)}`,
    `within decode   ${kernelsOf(chains, speeds)}`,
    `processor       ${digits(median(chains.map(({ userMs }) => userMs)))} ms in our code, ${digits(median(chains.map(({ systemMs }) => systemMs)))} ms in the system`,
    `read            ${digits((first?.bytesRead ?? 0) / 1e6)} MB in ${first?.filesRead} files`,
    `peak RSS        ${digits(peak)} MiB (ceiling ${MEMORY_CEILING})`,
    `${rounds.length} interleaved rounds, medians; ${load()}`,
  ];
  return { lines, missed: unlessWithin('peak RSS', peak, MEMORY_CEILING, 'MiB') };
}

function speedOf(restores: readonly RestoreFacts[]): string {
  const speeds = restores.map(({ sizeBytes, durationMs }) => megabytesPerSecond(sizeBytes, durationMs));
  return `${digits(median(speeds))} MB/s (best ${digits(Math.max(...speeds))})`;
}

const ratioOf = (rounds: readonly Round[], pick: (round: Round) => RestoreFacts): string =>
  digits(median(rounds.map((round) => pick(round).durationMs / round.copyMs)));

/** Of the whole duration; what is in none of the steps is listing, planning and waiting. */
function sharesOf(restores: readonly RestoreFacts[]): string {
  const steps = ['read', 'decode', 'write', 'fsync', 'check'] as const;
  const shares = steps.map((step) => [step, median(restores.map((facts) => facts.shares[step] / facts.durationMs))] as const);
  const rest = 1 - shares.reduce((sum, [, share]) => sum + share, 0);
  return [...shares, ['other', rest] as const].map(([step, share]) => `${step} ${percent(share)}`).join(', ');
}

/** The kernels are one fused loop, so their parts are worked out from what each does alone in this run. The result is summed once more, page by page. */
function kernelsOf(restores: readonly RestoreFacts[], { lz4, crc }: Speeds): string {
  const decoded = BYTES + INCREMENTS * TOUCHED * PAGE_SIZE;
  const share = (bytes: number, speed: number): string =>
    percent(median(restores.map(({ durationMs }) => bytes / speed / 1000 / durationMs)));
  return `LZ4 about ${share(decoded, lz4)} of the whole, CRC-64 about ${share(decoded + BYTES, crc)}, at ${digits(lz4)} and ${digits(crc)} MB/s`;
}
