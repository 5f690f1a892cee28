/** A replica of ours read by the original: Litestream 0.5.17 as a loadable extension. */

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { absence, peerDirectory } from '../../tools/peers.ts';
import { ended, kill, litestream, startLitestream } from '../../tools/processes.ts';
import { App } from '../support/app-process.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

interface Recorded {
  readonly at: string;
  readonly rows: unknown;
}

const QUERY = fileURLToPath(new URL('../support/vfs-query.ts', import.meta.url));
const FACTS = 'SELECT count(*) AS n, sum(length(body)) AS bytes, max(id) AS newest FROM t';

const extension = peerDirectory('vfs');
if (extension === undefined) console.log(`skipped: ${absence('vfs')}`);

let directory: TempDirectory;
const recorded: Recorded[] = [];

beforeAll(async () => {
  if (extension !== undefined) await replicateSomeStates();
}, 400_000);

afterAll(async () => {
  await directory?.remove();
});

/** Twelve states of a database, each captured by a pass of its own and noted with a moment after it. */
async function replicateSomeStates(): Promise<void> {
  directory = await tempDirectory();
  await writeFile(join(directory.path, 'litestream.yml'), 'dbs:\n  - path: app.db\n    replica:\n      path: replica\n');
  const app = await App.start(join(directory.path, 'app.db'));
  try {
    await app.run((context) => {
      const db = context.open('main');
      db.pragma('journal_mode = WAL');
      db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)');
    });
    for (let state = 0; state < 4; state++) {
      const rows = await app.run(
        (context, [round, sql]: readonly [number, string]) => {
          const db = context.open('main');
          const insert = db.prepare('INSERT INTO t (body) VALUES (randomblob(?))');
          for (let i = 0; i < 100; i++) insert.run(10 + i * 13);
          db.prepare('DELETE FROM t WHERE id % 9 = ?').run(round);
          if (round === 2) db.exec('VACUUM');
          return db.prepare(sql).all();
        },
        [state, FACTS] as const,
      );
      const pass = await litestream(directory.path, 'replicate', '-once', '-config', 'litestream.yml');
      expect(pass, pass.stderr).toMatchObject({ status: 0 });
      // The extension takes whole seconds.
      await new Promise((resolve) => setTimeout(resolve, 1100 - (Date.now() % 1000)));
      recorded.push({ at: new Date().toISOString().replace(/\.\d+Z$/, 'Z'), rows });
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  } finally {
    await app.stop();
  }
}

/** Runs statements in a process that has loaded the extension; the environment has to be there when it starts. */
function askOf(replica: string, ...statements: string[]): unknown[] {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    LITESTREAM_REPLICA_URL: `file://${replica}`,
    LITESTREAM_LOG_FILE: '/dev/null',
  };
  delete env.AWS_CA_BUNDLE; // set, it makes the extension fail to start
  const output = execFileSync(process.execPath, [QUERY, join(extension ?? '', 'litestream-vfs.so'), ...statements], {
    env,
    encoding: 'utf8',
  });
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

const ask = (...statements: string[]): unknown[] => askOf(join(directory.path, 'replica'), ...statements);

test.runIf(extension !== undefined)('the original reads the newest state of a replica of ours', () => {
  const files = readdirSync(join(directory.path, 'replica', 'ltx', '0')).filter((name) => name.endsWith('.ltx'));
  const [facts, check, txid] = ask(FACTS, 'PRAGMA integrity_check', 'SELECT litestream_txid() AS txid');
  expect(facts).toEqual(recorded.at(-1)?.rows);
  expect(check).toEqual([{ integrity_check: 'ok' }]);
  expect(txid).toEqual([{ txid: files.sort().at(-1)?.slice(0, 16) }]);
});

test.runIf(extension !== undefined)('the original reads earlier states of a replica of ours', () => {
  for (const { at, rows } of recorded.slice(0, -1)) {
    const [, facts, check] = ask(`SELECT litestream_set_time('${at}')`, FACTS, 'PRAGMA integrity_check');
    expect(facts, at).toEqual(rows);
    expect(check, at).toEqual([{ integrity_check: 'ok' }]);
  }
});

/**
 * What an integrity check complains of. Where a file of the plan has shrunk the database, the extension goes on serving pages of older files
 * above its end, and SQLite, which goes by the size of the file here, reports them as not used: no other complaint is left out.
 */
function linesOf(check: unknown): string[] {
  const lines = (check as { integrity_check: string }[]).flatMap(({ integrity_check }) => integrity_check.split('\n'));
  return lines.filter((line) => line !== 'ok' && !/^\*\*\* in database main \*\*\*$|^Page \d+: never used$/.test(line));
}

/** Levels at a pace of seconds. Level 0 goes as soon as level 1 has it; snapshots stay. */
const LIFE = [
  'levels: [{interval: 500ms}, {interval: 1s}, {interval: 2s}]',
  'snapshot: {interval: 3s, retention: 1h}',
  'l0-retention: 500ms',
  'l0-retention-check-interval: 500ms',
  'shutdown-sync-timeout: 10s',
].join('\n');

/** The last TXID and the time of each file, level by level. */
function listed(replica: string): { readonly level: number; readonly max: string; readonly at: number }[] {
  return Array.from({ length: 10 }, (_, level) => level).flatMap((level) => {
    const path = join(replica, 'ltx', String(level));
    if (!existsSync(path)) return [];
    const names = readdirSync(path).filter((name) => name.endsWith('.ltx'));
    return names.map((name) => ({ level, max: name.slice(17, 33), at: statSync(join(path, name)).mtimeMs }));
  });
}

test.runIf(extension !== undefined).each(['block', 'frame'])(
  'the original reads the newest and earlier states of a replica of ours that was merged, snapshotted and expired (%s form)',
  { timeout: 600_000 },
  async (form) => {
    const at = await tempDirectory();
    const replica = join(at.path, 'replica');
    await writeFile(
      join(at.path, 'litestream.yml'),
      `${LIFE}\ndbs:\n  - path: app.db\n    checkpoint-interval: 0\n    page-form: ${form}\n    replica: {path: replica, sync-interval: 50ms}\n`,
    );
    const app = await App.start(join(at.path, 'app.db'));
    const daemon = startLitestream(at.path, 'replicate', '-config', 'litestream.yml');
    try {
      await app.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)');
      await expect.poll(daemon.output, { timeout: 90_000 }).toContain('is running');
      const states = new Map<string, unknown>();
      for (let round = 0; round < 10; round++) {
        await app.exec(
          `INSERT INTO t (body) VALUES (randomblob(${100 + round * 500})), (randomblob(4000)); DELETE FROM t WHERE id % 5 = ${round % 5}`,
        );
        if (round === 6) await app.exec('VACUUM');
        const rows = await app.all(FACTS);
        const sync = await litestream(at.path, 'sync', '-wait', '-json', '-config', 'litestream.yml', 'app.db');
        expect(sync, sync.stderr).toMatchObject({ status: 0 });
        states.set((JSON.parse(sync.stdout) as { txid_hex: string }).txid_hex, rows);
        await new Promise((resolve) => setTimeout(resolve, 700));
      }
      const reached = (level: number) => listed(replica).some((file) => file.level === level && file.max === [...states.keys()].at(-1));
      const isAtRest = () => [1, 2, 3, 9].every(reached) && listed(replica).filter(({ level }) => level === 0).length === 1;
      await expect.poll(isAtRest, { timeout: 90_000 }).toBe(true);
      daemon.child.kill('SIGTERM');
      await ended(daemon.child);

      const [facts, check] = askOf(replica, FACTS, 'PRAGMA integrity_check');
      expect(facts).toEqual([...states.values()].at(-1));
      expect(linesOf(check)).toEqual([]);
      const files = listed(replica)
        .filter(({ max }) => states.has(max))
        .sort((a, b) => a.at - b.at);
      const compared = new Set<string>();
      for (const { max, at: time } of files) {
        // The extension takes whole seconds.
        if (compared.has(max)) continue;
        const second = Math.ceil((time + 1) / 1000) * 1000;
        if (second > Date.now() || listed(replica).some((other) => other.at > time && other.at <= second)) continue;
        const moment = new Date(second).toISOString().replace('.000Z', 'Z');
        const [, then, sound] = askOf(replica, `SELECT litestream_set_time('${moment}')`, FACTS, 'PRAGMA integrity_check');
        expect(then, `${max} at ${moment}`).toEqual(states.get(max));
        expect(linesOf(sound), moment).toEqual([]);
        const ours = await litestream(at.path, 'restore', '-txid', max, '-integrity-check', 'full', '-o', `${max}.db`, `file://${replica}`);
        expect(ours, ours.stderr).toMatchObject({ status: 0 });
        compared.add(max);
        if (compared.size === 3) break;
      }
      expect(compared.size).toBe(3);
    } finally {
      await kill(daemon.child);
      await app.stop();
      await at.remove();
    }
  },
);
