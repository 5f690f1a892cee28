/** What an hour of replication to an S3 server costs in requests: a database that nobody writes to, and one with ten commits a second. */

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { Exposition } from './metrics.ts';
import { load } from './proc.ts';
import { digits, MIB, type Report, table } from './report.ts';
import { entriesOf, type S3Address, withS3 } from './s3-place.ts';
import { Scene } from './scene.ts';

export const name = 'requests';
export const description = 'requests an hour to an S3 server, of an idle database and of one with 10 commits a second';

const LAUNCHER = fileURLToPath(new URL('../../src/launcher/litestream', import.meta.url));
/** What is done once after a start, or five minutes after the last write, has been done by then. */
const SETTLE_SECONDS = 340;
/** A whole period of what is done every five minutes, and so of the first level, which is merged every 30 s. */
const SECONDS = Number(process.env.BENCH_SECONDS ?? 300);
const COMMIT_MS = 100;
const CLASSES = ['put', 'list', 'get', 'delete'] as const;

type Counts = Readonly<Record<(typeof CLASSES)[number], number>>;

/**
 * The original's design, an hour, by its own defaults. Busy: a file a second, merged every 30 s, 5 min and 1 h: each one a put; each merge lists
 * its source; level-0 retention lists level 0 every 15 s and deletes in batches after each merge. Idle: nothing is put, got or listed.
 */
const MOST: Readonly<Record<'idle' | 'busy', Counts>> = {
  idle: { put: 0, list: 0, get: 0, delete: 0 },
  busy: { put: 3600 + 120 + 12 + 1, list: 133 + 240, get: 120, delete: 240 },
};

export function run(): Promise<Report> {
  return withS3(512 * MIB, (address) => Scene.with(name, (scene) => measure(scene, address)));
}

async function measure(scene: Scene, address: S3Address): Promise<Report> {
  const paths = { idle: scene.path('idle.db'), busy: scene.path('busy.db') };
  const databases = Object.values(paths).map(open);
  const port = await freePort();
  const config = scene.path('litestream.yml');
  const entries = entriesOf(address, { [paths.idle]: 'idle', [paths.busy]: 'busy' });
  writeFileSync(config, [`addr: 127.0.0.1:${port}`, 'dbs:', ...entries, ''].join('\n'));
  scene.spawn(LAUNCHER, ['replicate', '-config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const insert = databases[1]?.prepare('INSERT INTO t VALUES (randomblob(100))');
  const writing = setInterval(() => insert?.run(), COMMIT_MS);
  try {
    await sleep(SETTLE_SECONDS * 1000);
    const before = await ask(port);
    await sleep(SECONDS * 1000);
    const after = await ask(port);
    return report((kind, of) => ((totalOf(after, paths[kind], of) - totalOf(before, paths[kind], of)) * 3600) / SECONDS);
  } finally {
    clearInterval(writing);
    for (const database of databases) database.close();
  }
}

function report(perHour: (kind: 'idle' | 'busy', of: keyof Counts) => number): Report {
  const rows = (['idle', 'busy'] as const).map((kind) => [
    kind,
    ...CLASSES.map((of) => `${digits(perHour(kind, of))} (${MOST[kind][of]})`),
  ]);
  const missed = (['idle', 'busy'] as const).flatMap((kind) =>
    CLASSES.filter((of) => perHour(kind, of) > MOST[kind][of]).map(
      (of) => `${kind}: ${digits(perHour(kind, of))} ${of} requests an hour, the original's design has ${MOST[kind][of]}`,
    ),
  );
  return {
    lines: [
      ...table([['requests an hour', ...CLASSES], ...rows]),
      `in parentheses the original's design; counted over ${SECONDS} s, ${SETTLE_SECONDS} s after the start; ${load()}`,
    ],
    missed,
  };
}

const totalOf = (metrics: Exposition, db: string, of: keyof Counts): number =>
  metrics.sum('litestream_replica_requests_total', { db, class: of });

const ask = async (port: number): Promise<Exposition> => new Exposition(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());

function open(path: string): Database.Database {
  const database = new Database(path, { timeout: 10_000 });
  database.pragma('journal_mode = WAL');
  database.exec('CREATE TABLE t (body BLOB)');
  return database;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
