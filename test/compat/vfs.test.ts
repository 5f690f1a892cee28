/** A replica of ours read by the original: Litestream 0.5.17 as a loadable extension. */

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { absence, peerDirectory } from '../../tools/peers.ts';
import { litestream } from '../../tools/processes.ts';
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
}, 120_000);

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
function ask(...statements: string[]): unknown[] {
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    LITESTREAM_REPLICA_URL: `file://${join(directory.path, 'replica')}`,
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
