/** How long a commit takes to be readable in a file replica, alone and among many. */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Commits } from './application-child.ts';
import { Application } from './application-process.ts';
import { Arrivals } from './arrivals.ts';
import { Daemon, replicaLevel0 } from './daemon.ts';
import type { Exposition } from './metrics.ts';
import { load } from './proc.ts';
import { crowdedNote, digits, median, percent, quantile, type Report, table, unlessWithin } from './report.ts';
import { Scene } from './scene.ts';

export const name = 'lag';
export const description = 'from the return of COMMIT until the change is readable in a file replica';

/** ms */
const MOST_P50 = 50;
const MOST_P99 = 250;

/** Databases that take turns, so that enough isolated commits fit into half a minute. */
const DATABASES = 8;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 16);
/** Between two commits of one database: longer than the default intervals of 1 s. */
const ISOLATION_MS = 1600;

const RATE = 50;
const SECONDS = Number(process.env.BENCH_SECONDS ?? 15);
const ROWS = 200;

interface Measured {
  readonly title: string;
  readonly lags: readonly number[];
  readonly files: number;
  readonly puts: number;
  readonly requests: number;
  /** See Daemon.crowding. */
  readonly crowding: number;
}

export async function run(): Promise<Report> {
  const measured = [await isolated(), await steady()];
  const rows = measured.map(({ title, lags, files, puts, requests, crowding }) => [
    title,
    digits(median(lags)),
    digits(quantile(lags, 0.99)),
    digits(Math.max(...lags)),
    String(lags.length),
    String(files),
    String(puts),
    String(requests - puts),
    percent(crowding),
  ]);
  const head = ['', 'p50 ms', 'p99 ms', 'worst ms', 'commits', 'L0 files', 'puts', 'other requests', 'waited'];
  const lines = [
    ...table([head, ...rows]),
    `limits: p50 ${MOST_P50} ms, p99 ${MOST_P99} ms, one request a file; waited: for a processor, of the time the daemon wanted one; ${load()}`,
  ];
  return { lines, missed: measured.flatMap(missedBy) };
}

function missedBy({ title, lags, files, requests, crowding }: Measured): string[] {
  const slow = [
    ...unlessWithin(`${title}, p50`, median(lags), MOST_P50, 'ms'),
    ...unlessWithin(`${title}, p99`, quantile(lags, 0.99), MOST_P99, 'ms'),
  ];
  return [
    ...slow.map((line) => line + crowdedNote(crowding)),
    ...(requests > files ? [`${title}: ${requests} requests for ${files} level-0 files`] : []),
  ];
}

/** One commit a database and pause, with default settings. */
function isolated(): Promise<Measured> {
  return Scene.with(name, async (scene) => {
    const databases = Array.from({ length: DATABASES }, (_, index) => scene.path(`app-${index}.db`));
    const application = new Application(scene);
    for (const path of databases) await application.open(path, ROWS);
    const daemon = await Daemon.start(scene, { databases });
    const before = await daemon.metrics();
    const crowding = daemon.crowding();
    const arrivals = new Map(databases.map((path) => [path, new Arrivals(replicaLevel0(scene, path))]));
    const commits = new Map<string, Commits[]>(databases.map((path) => [path, []]));
    for (let round = 0; round < ROUNDS; round++) {
      for (const path of databases) {
        commits.get(path)?.push(await application.commit(path, { rate: 1000, seconds: 0.001 }));
        await sleep(ISOLATION_MS / DATABASES);
      }
    }
    const waited = crowding();
    await daemon.untilQuiet();
    const after = await daemon.metrics();
    const lags = [...arrivals].flatMap(([path, seen]) => {
      const own = commits.get(path) ?? [];
      return seen.lags({
        ends: Float64Array.from(own, ({ ends }) => ends[0] ?? 0),
        marks: Uint32Array.from(own, ({ marks }) => marks[0] ?? 0),
      });
    });
    const files = [...arrivals.values()].reduce((sum, seen) => sum + seen.files.length, 0);
    for (const seen of arrivals.values()) seen.close();
    return { title: 'isolated commits, default settings', lags, files, crowding: waited, ...requestsBetween(before, after) };
  });
}

/** Many commits a second with short intervals. */
function steady(): Promise<Measured> {
  return Scene.with(name, async (scene) => {
    const path = scene.path('app.db');
    const application = new Application(scene);
    await application.open(path, ROWS);
    const daemon = await Daemon.start(scene, {
      databases: [path],
      settings: ['sync-interval: 20ms'],
      databaseSettings: ['monitor-interval: 20ms'],
    });
    const before = await daemon.metrics();
    const crowding = daemon.crowding();
    const arrivals = new Arrivals(replicaLevel0(scene, path));
    const commits = await application.commit(path, { rate: RATE, seconds: SECONDS });
    const waited = crowding();
    await daemon.untilQuiet();
    const after = await daemon.metrics();
    arrivals.close();
    const title = `${RATE} commits/s, intervals of 20 ms`;
    return { title, lags: arrivals.lags(commits), files: arrivals.files.length, crowding: waited, ...requestsBetween(before, after) };
  });
}

function requestsBetween(before: Exposition, after: Exposition): Pick<Measured, 'puts' | 'requests'> {
  const total = 'litestream_replica_operation_total';
  const since = (labels: Record<string, string>): number => after.sum(total, labels) - before.sum(total, labels);
  return { puts: since({ operation: 'PUT' }), requests: since({}) };
}
