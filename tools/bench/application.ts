/** What the application feels: its commits with and without `litestream replicate` on its database, and with a long reader. */

import { statSync } from 'node:fs';
import { Application } from './application-process.ts';
import { Daemon } from './daemon.ts';
import { load } from './proc.ts';
import { crowdedNote, digits, MIB, median, percent, quantile, type Report, table, unlessWithin } from './report.ts';
import { Scene } from './scene.ts';

export const name = 'application';
export const description = 'commits of an application with default autocheckpoint, with us and without, with a long reader and without';

/** Each side of each comparison; a reader stands as long as both sides run. */
const SECONDS = Number(process.env.BENCH_SECONDS ?? 10);
/** Sides take turns, so that a busy machine is busy for both. */
const SLICES = 4;
const ROWS = 5000;
const RATE = 500;
const MOST_LOSS = 0.1;
const AIMED_LOSS = 0.03;
/** ms */
const MOST_WRITE_LOCK = 50;
const WRITE_LOCK = 'litestream_checkpoint_write_lock_seconds';

interface Side {
  readonly rates: number[];
  /** Bytes of the WAL file after each slice. */
  readonly walSizes: number[];
  readonly latencies: number[];
}

interface Comparison {
  readonly title: string;
  readonly limited: boolean;
  readonly alone: Side;
  readonly withUs: Side;
  /** Seconds; bucket bounds. */
  readonly writeLock: { readonly p99: number; readonly count: number };
  /** See Daemon.crowding. */
  readonly crowding: number;
}

export async function run(): Promise<Report> {
  const comparisons: Comparison[] = [];
  for (const rate of [RATE, 0]) for (const reader of [false, true]) comparisons.push(await compare(rate, reader));
  return report(comparisons);
}

/** Two databases of the same make, one of them replicated. */
function compare(rate: number, reader: boolean): Promise<Comparison> {
  return Scene.with(name, async (scene) => {
    const application = new Application(scene);
    const [replicated, other] = [scene.path('replicated.db'), scene.path('alone.db')];
    for (const path of [replicated, other]) await application.open(path, ROWS);
    const daemon = await Daemon.start(scene, { databases: [replicated] });
    const sides = { alone: newSide(), withUs: newSide() };
    const slice = async (path: string, side: Side): Promise<void> => {
      const { latencies, elapsedMs } = await application.commit(path, { rate, seconds: SECONDS / SLICES });
      side.rates.push((latencies.length * 1000) / elapsedMs);
      side.walSizes.push(statSync(`${path}-wal`).size);
      for (const latency of latencies) side.latencies.push(latency);
    };
    const before = await daemon.metrics();
    const crowding = daemon.crowding();
    const holder = reader ? new Application(scene) : undefined;
    for (const path of [replicated, other]) await holder?.hold(path);
    for (let index = 0; index < SLICES; index++) {
      // Each goes first as often as the other.
      const order = [() => slice(other, sides.alone), () => slice(replicated, sides.withUs)];
      for (const side of index % 2 === 0 ? order : order.reverse()) await side();
    }
    const waited = crowding();
    await holder?.release();
    const after = await daemon.metrics();
    await daemon.stop();
    const writeLock = {
      p99: after.quantile(WRITE_LOCK, 0.99, before),
      count: after.sum(`${WRITE_LOCK}_count`) - before.sum(`${WRITE_LOCK}_count`),
    };
    const title = `${rate === 0 ? 'flat out' : `${rate} commits/s`}${reader ? `, ${digits(2 * SECONDS)} s reader` : ''}`;
    return { title, limited: rate > 0, ...sides, writeLock, crowding: waited };
  });
}

function report(comparisons: readonly Comparison[]): Report {
  const rows = comparisons.map(({ title, alone, withUs, writeLock, crowding }) => [
    title,
    `${digits(median(alone.rates))} / ${digits(median(withUs.rates))}`,
    percent(throughputRatio(alone, withUs) - 1),
    `${milliseconds(alone, 0.5)} / ${milliseconds(withUs, 0.5)}`,
    `${milliseconds(alone, 0.99)} / ${milliseconds(withUs, 0.99)}`,
    `${milliseconds(alone, 1)} / ${milliseconds(withUs, 1)}`,
    `${digits(Math.max(...alone.walSizes) / MIB)} / ${digits(Math.max(...withUs.walSizes) / MIB)}`,
    writeLock.count === 0 ? '-' : `<= ${digits(writeLock.p99 * 1000)} ms (${writeLock.count})`,
    percent(crowding),
  ]);
  const head = ['', 'commits/s', 'difference', 'p50 ms', 'p99 ms', 'worst ms', 'WAL MiB', 'our write lock, p99', 'waited'];
  const lines = [
    ...table([head, ...rows]),
    `alone / with us; ${SLICES} slices of ${digits(SECONDS / SLICES)} s a side in turns, median of the pairs; aim ${percent(AIMED_LOSS)}`,
    `waited: for a processor, of the time the daemon wanted one; ${load()}`,
  ];
  return { lines, missed: comparisons.flatMap(missedBy) };
}

const newSide = (): Side => ({ rates: [], walSizes: [], latencies: [] });

function missedBy({ title, limited, alone, withUs, writeLock, crowding }: Comparison): string[] {
  const loss = 1 - throughputRatio(alone, withUs);
  const slow = limited && loss > MOST_LOSS ? [`${title}: ${percent(loss)} fewer commits, the limit is ${percent(MOST_LOSS)}`] : [];
  const held = unlessWithin(`${title}: write lock held, p99`, writeLock.count === 0 ? 0 : writeLock.p99 * 1000, MOST_WRITE_LOCK, 'ms');
  return [...slow, ...held].map((line) => line + crowdedNote(crowding));
}

const throughputRatio = (alone: Side, withUs: Side): number =>
  median(withUs.rates.map((rate, index) => rate / (alone.rates[index] ?? Number.NaN)));

const milliseconds = ({ latencies }: Side, share: number): string => digits(quantile(latencies, share));
