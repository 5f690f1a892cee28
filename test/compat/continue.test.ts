/** A replica the original wrote, taken over by us and given back (docs/architecture.md, What must never be false). */

import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterEach, expect, test } from 'vitest';
import { absence, peerDirectory } from '../../tools/peers.ts';
import { litestream } from '../../tools/processes.ts';
import { unpackTarGz } from '../support/tar.ts';
import { type TempDirectory, tempDirectory } from '../support/temp-directory.ts';

const ARCHIVE = fileURLToPath(new URL('../fixtures/v5/vfs-0.5.17.tar.gz', import.meta.url));
const QUERY = fileURLToPath(new URL('../support/vfs-query.ts', import.meta.url));
const FACTS = 'SELECT count(*) AS n, sum(length(body)) AS bytes, max(id) AS newest FROM t';

let directory: TempDirectory | undefined;

afterEach(async () => {
  await directory?.remove();
});

async function run(cwd: string, ...args: string[]): Promise<void> {
  const result = await litestream(cwd, ...args);
  expect(result, result.stderr).toMatchObject({ status: 0 });
}

function factsOf(path: string): unknown {
  const db = new Database(path, { readonly: true });
  try {
    expect(db.pragma('integrity_check', { simple: true })).toBe('ok');
    return db.prepare(FACTS).get();
  } finally {
    db.close();
  }
}

function change(path: string): void {
  const db = new Database(path);
  try {
    db.exec('DELETE FROM t WHERE id % 3 = 0; INSERT INTO t (body) VALUES (randomblob(5000))');
  } finally {
    db.close();
  }
}

test('a replica of the original is restored, continued at its next TXID, and read by the original again', async () => {
  directory = await tempDirectory();
  const cwd = directory.path;
  unpackTarGz(ARCHIVE, cwd);
  await writeFile(join(cwd, 'litestream.yml'), 'retention: {enabled: false}\ndbs:\n  - path: app.db\n    replica:\n      path: replica\n');

  await run(cwd, 'restore', '-config', 'litestream.yml');
  for (let round = 0; round < 2; round++) {
    change(join(cwd, 'app.db'));
    await run(cwd, 'replicate', '-once', '-config', 'litestream.yml');
  }
  const files = readdirSync(join(cwd, 'replica', 'ltx', '0')).sort();
  expect(files).toEqual(Array.from({ length: files.length }, (_, index) => nameOf(index + 1)));
  expect(files.length).toBeGreaterThanOrEqual(11);

  await run(cwd, 'restore', '-config', 'litestream.yml', '-o', 'again.db', 'app.db');
  expect(factsOf(join(cwd, 'again.db'))).toEqual(factsOf(join(cwd, 'app.db')));

  const extension = peerDirectory('vfs');
  if (extension === undefined) {
    console.log(`not read by the original: ${absence('vfs')}`);
    return;
  }
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    LITESTREAM_REPLICA_URL: `file://${join(cwd, 'replica')}`,
    LITESTREAM_LOG_FILE: '/dev/null',
  };
  delete env.AWS_CA_BUNDLE;
  const output = execFileSync(process.execPath, [QUERY, join(extension, 'litestream-vfs.so'), FACTS], { env, encoding: 'utf8' });
  expect(JSON.parse(output)).toEqual([factsOf(join(cwd, 'app.db'))]);
}, 400_000);

const nameOf = (txid: number): string => {
  const hex = txid.toString(16).padStart(16, '0');
  return `${hex}-${hex}.ltx`;
};
