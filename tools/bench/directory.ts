/** What a thousand databases in one directory cost, of which ten are used. */

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import type { Commits } from './application-child.ts';
import { Application } from './application-process.ts';
import { Arrivals } from './arrivals.ts';
import { Daemon, replicaLevel0 } from './daemon.ts';
import { descriptors, load, processorSeconds, residentBytes } from './proc.ts';
import { crowdedNote, digits, MIB, median, percent, quantile, type Report, table, unlessWithin } from './report.ts';
import { Scene } from './scene.ts';

export const name = 'directory';
export const description = '1,000 databases in one directory, of which 10 are active, next to those 10 alone';

const DATABASES = Number(process.env.BENCH_DATABASES ?? 1000);
const ACTIVE = 10;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 12);
/** How long a process at rest is watched: memory may be given back once in that time, which is half a second of work. */
const SECONDS = Number(process.env.BENCH_SECONDS ?? 60);
/** Between two commits of one database: longer than the default intervals of 1 s, shorter than what makes it cold. */
const ISOLATION_MS = 1600;
const COLD_AFTER = '5s';
const COLD_PATIENCE_MS = 120_000;
const REST_PATIENCE_MS = 300_000;
/** Each replica has been listed once by then. */
const FIRST_LOOKS_MS = 80_000;
/** Memory that is not needed is given back once a minute, when a look every 15 s finds the process quiet. */
const RELEASE_MS = 100_000;
/** Level 2 is merged at multiples of this, with a jitter of half a minute: that is work, and not rest. What is measured at rest fits in between. */
const MERGE_MS = 300_000;
const AFTER_MERGE_MS = 45_000;

/** s */
const MOST_START = 30;
/** KiB of heap, and of resident memory, a cold database */
const MOST_MEMORY = 100;
/** ms */
const MOST_P50 = 50;
const MOST_P99 = 250;
/** Of a core, per cent. */
const MOST_PROCESSOR = 2;
const MOST_DESCRIPTORS = 12 * 256 + 200;

interface Measured {
  readonly title: string;
  readonly databases: number;
  readonly startSeconds: number;
  readonly restartSeconds: number;
  readonly rss: number;
  readonly heap: number;
  readonly descriptors: number;
  readonly lags: readonly number[];
  readonly crowding: number;
  /** Share of a core. */
  readonly idle: number;
  readonly scrapeMs: number;
}

export async function run(): Promise<Report> {
  const alone = await measure(`${ACTIVE} alone`, ACTIVE);
  const many = await measure(`${DATABASES.toLocaleString('en')} in all`, DATABASES);
  const cold = DATABASES - ACTIVE;
  const heapEach = (many.heap - alone.heap) / cold / 1024;
  const residentEach = (many.rss - alone.rss) / cold / 1024;
  const rows = [alone, many].map((one) => [
    one.title,
    digits(one.startSeconds),
    digits(one.restartSeconds),
    digits(one.heap / MIB),
    digits(one.rss / MIB),
    String(one.descriptors),
    digits(median(one.lags)),
    digits(quantile(one.lags, 0.99)),
    percent(one.idle),
    digits(one.scrapeMs),
    percent(one.crowding),
  ]);
  const head = ['', 'start s', 'restart s', 'heap MiB', 'RSS MiB', 'descriptors', 'lag p50 ms', 'p99 ms', 'idle', '/metrics ms', 'waited'];
  const lines = [
    ...table([head, ...rows]),
    `a cold database: ${digits(heapEach)} KiB of heap, ${digits(residentEach)} KiB resident`,
    `limits: start ${MOST_START} s, heap and resident ${MOST_MEMORY} KiB each a cold database, lag p50 ${MOST_P50} ms and p99 ${MOST_P99} ms, idle ${MOST_PROCESSOR} % of a core; ${load()}`,
  ];
  const note = crowdedNote(many.crowding);
  const missed = [
    ...unlessWithin('start', many.startSeconds, MOST_START, 's'),
    ...unlessWithin('restart', many.restartSeconds, MOST_START, 's'),
    ...unlessWithin('heap of a cold database', heapEach, MOST_MEMORY, 'KiB'),
    ...unlessWithin('resident memory of a cold database', residentEach, MOST_MEMORY, 'KiB'),
    ...unlessWithin('descriptors', many.descriptors, MOST_DESCRIPTORS, ''),
    ...unlessWithin('lag of the active ones, p50', median(many.lags), MOST_P50, 'ms').map((line) => line + note),
    ...unlessWithin('lag of the active ones, p99', quantile(many.lags, 0.99), MOST_P99, 'ms').map((line) => line + note),
    ...unlessWithin('processor time while nobody writes', many.idle * 100, MOST_PROCESSOR, '% of a core'),
  ];
  return { lines, missed };
}

function measure(title: string, databases: number): Promise<Measured> {
  return Scene.with(name, async (scene) => {
    const paths = Array.from({ length: databases }, (_, index) => scene.path('data', `app-${index}.db`));
    mkdirSync(scene.path('data'));
    const active = paths.slice(0, ACTIVE);
    const application = new Application(scene);
    for (const path of active) await application.open(path, 100);
    for (const path of paths.slice(ACTIVE)) makeDatabase(path);
    const options = {
      databases: paths,
      directory: scene.path('data'),
      databaseSettings: ["pattern: '*.db'", `cold-after: ${COLD_AFTER}`],
      patienceMs: 4 * MOST_START * 1000,
      nodeFlags: ['--import', fileURLToPath(new URL('./heap-probe.ts', import.meta.url))],
    };
    process.env.BENCH_HEAP = scene.path('heap');
    const first = await Daemon.start(scene, options);
    await first.stop();
    // Again: all of them have local files and replicas now, which is how a daemon starts on every day but the first.
    const daemon = await Daemon.start(scene, options);
    const restartSeconds = await untilOpened(daemon, databases);
    await untilCold(daemon, databases);
    await untilAtRest(daemon);
    await sleep(untilBetweenMerges(Date.now()));
    await sleep(RELEASE_MS);
    const rss = residentBytes(daemon.pid);
    const heap = await heapOf(scene, daemon);
    const open = descriptors(daemon.pid);
    const begun = performance.now();
    const from = processorSeconds(daemon.pid);
    await sleep(SECONDS * 1000);
    const idle = ((processorSeconds(daemon.pid) - from) / (performance.now() - begun)) * 1000;
    const scraped = performance.now();
    await daemon.metrics();
    const scrapeMs = performance.now() - scraped;
    const { lags, crowding } = await lagOf(scene, application, daemon, active);
    return {
      title,
      databases,
      startSeconds: first.startedIn / 1000,
      restartSeconds,
      rss,
      heap,
      descriptors: open,
      lags,
      crowding,
      idle,
      scrapeMs,
    };
  });
}

/** Its last connection is closed: there is no WAL. */
function makeDatabase(path: string): void {
  const db = new Database(path);
  db.pragma('journal_mode = WAL');
  db.exec('CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT); INSERT INTO item (body) VALUES (hex(randomblob(1000)))');
  db.close();
}

/** Seconds from the start of the process until every database is replicated. */
async function untilOpened(daemon: Daemon, databases: number): Promise<number> {
  const replicating = async (): Promise<number> => {
    try {
      return (await daemon.metrics()).sum('litestream_db_state', { state: 'replicating' });
    } catch {
      return 0; // does not listen yet
    }
  };
  while ((await replicating()) < databases) {
    if (performance.now() - daemon.spawnedAt > COLD_PATIENCE_MS) throw new Error('not all databases came up');
    await sleep(500);
  }
  return (performance.now() - daemon.spawnedAt) / 1000;
}

async function untilCold(daemon: Daemon, databases: number): Promise<void> {
  const begun = performance.now();
  while ((await daemon.metrics()).sum('litestream_db_cold') < databases) {
    if (performance.now() - begun > COLD_PATIENCE_MS) throw new Error('not all idle databases became cold');
    await sleep(500);
  }
}

/** What a start leaves to do, such as the first merges of a thousand replicas and one listing of each by the watchdog, is done. */
async function untilAtRest(daemon: Daemon): Promise<void> {
  await sleep(Math.max(0, FIRST_LOOKS_MS - (performance.now() - daemon.spawnedAt)));
  const begun = performance.now();
  for (let before = -1; performance.now() - begun < REST_PATIENCE_MS; ) {
    const now = (await daemon.metrics()).sum('litestream_replica_operation_total');
    if (now === before) return;
    before = now;
    await sleep(5000);
  }
}

/** How long until a moment from which on no merge is due for as long as what follows takes, ms. */
function untilBetweenMerges(now: number): number {
  const since = now % MERGE_MS;
  const latest = MERGE_MS - RELEASE_MS - SECONDS * 1000 - 10_000;
  if (since < AFTER_MERGE_MS) return AFTER_MERGE_MS - since;
  return since <= latest ? 0 : MERGE_MS - since + AFTER_MERGE_MS;
}

async function lagOf(
  scene: Scene,
  application: Application,
  daemon: Daemon,
  active: readonly string[],
): Promise<Pick<Measured, 'lags' | 'crowding'>> {
  // They have become cold like the others; what counts is how they do while they are in use.
  for (const path of active) await application.commit(path, { rate: 1000, seconds: 0.001 });
  await daemon.untilQuiet();
  const arrivals = new Map(active.map((path) => [path, new Arrivals(replicaLevel0(scene, path))]));
  const commits = new Map<string, Commits[]>(active.map((path) => [path, []]));
  const crowding = daemon.crowding();
  for (let round = 0; round < ROUNDS; round++) {
    for (const path of active) {
      commits.get(path)?.push(await application.commit(path, { rate: 1000, seconds: 0.001 }));
      await sleep(ISOLATION_MS / ACTIVE);
    }
  }
  const waited = crowding();
  await sleep(3000);
  const lags = [...arrivals].flatMap(([path, seen]) => {
    const own = commits.get(path) ?? [];
    return seen.lags({
      ends: Float64Array.from(own, ({ ends }) => ends[0] ?? 0),
      marks: Uint32Array.from(own, ({ marks }) => marks[0] ?? 0),
    });
  });
  for (const seen of arrivals.values()) seen.close();
  return { lags, crowding: waited };
}

async function heapOf(scene: Scene, daemon: Daemon): Promise<number> {
  const file = scene.path('heap');
  rmSync(file, { force: true });
  process.kill(daemon.pid, 'SIGUSR2');
  for (let attempt = 0; attempt < 100; attempt++) {
    await sleep(100);
    const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
    if (text !== '') return Number(text);
  }
  throw new Error('the daemon did not tell the size of its heap');
}
