/** Replicas in one bucket that we write and the original reads, and the other way round: Litestream 0.5.17 as a loadable extension. */

import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { absence, peerDirectory } from '../../../tools/peers.ts';
import { litestream } from '../../../tools/processes.ts';
import { describeWith, SERVICE_START_MS } from '../../support/services.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';
import { listKeys } from '../contract/bodies.ts';
import { TestBucket } from './bucket.ts';

const QUERY = fileURLToPath(new URL('../../support/vfs-query.ts', import.meta.url));
const FACTS = 'SELECT count(*) AS n, sum(length(body)) AS bytes, max(id) AS newest FROM t';

const extension = peerDirectory('vfs');
if (extension === undefined) console.log(`skipped: ${absence('vfs')}`);

let bucket: TestBucket;
let directory: TempDirectory;

function change(path: string, rows: number): void {
  const db = new Database(path);
  try {
    db.pragma('journal_mode = WAL');
    db.exec('CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, body BLOB)');
    const insert = db.prepare('INSERT INTO t (body) VALUES (randomblob(?))');
    db.transaction(() => {
      for (let i = 0; i < rows; i++) insert.run(100 + i * 7);
    })();
  } finally {
    db.close();
  }
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

async function run(...args: string[]): Promise<void> {
  const result = await litestream(directory.path, ...args);
  expect(result, result.stderr + result.stdout).toMatchObject({ status: 0 });
}

/** Runs statements in a process with the extension, which reads or writes the replica at `path`. */
function ask(path: string, statements: readonly string[], more: NodeJS.ProcessEnv = {}): unknown[] {
  const { endpoint, region, accessKeyID, secretAccessKey } = bucket.address;
  const env: NodeJS.ProcessEnv = {
    ...process.env,
    LITESTREAM_REPLICA_URL: `s3://${bucket.name}/${path}?endpoint=${endpoint}&forcePathStyle=true&region=${region}`,
    LITESTREAM_LOG_FILE: '/dev/null',
    AWS_ACCESS_KEY_ID: accessKeyID,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    ...more,
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

describeWith('s3', 'the original at a RADOS Gateway', () => {
  beforeAll(async () => {
    directory = await tempDirectory();
    bucket = await TestBucket.create();
    const { endpoint, region, accessKeyID, secretAccessKey } = bucket.address;
    const replica = (path: string) =>
      `    replica: {type: s3, bucket: ${bucket.name}, path: ${path}, endpoint: '${endpoint}', region: ${region}, ` +
      `access-key-id: ${accessKeyID}, secret-access-key: ${secretAccessKey}}`;
    const database = (name: string, path: string) => `  - path: ${name}\n${replica(path)}\n`;
    const databases = [database('a.db', 'team/a'), database('ab.db', 'team/ab')];
    await writeFile(join(directory.path, 'litestream.yml'), `dbs:\n${databases.join('')}`);
  }, SERVICE_START_MS);

  afterAll(async () => {
    await bucket.empty();
    await directory.remove();
  });

  test('two databases whose paths begin alike are written beside each other and restored each for itself', {
    timeout: 240_000,
  }, async () => {
    for (let round = 1; round <= 2; round++) {
      change(join(directory.path, 'a.db'), round * 20);
      change(join(directory.path, 'ab.db'), round * 50);
      await run('replicate', '-once', '-config', 'litestream.yml');
    }
    for (const name of ['a', 'ab']) {
      await run('restore', '-config', 'litestream.yml', '-o', `${name}.restored`, `${name}.db`);
      expect(factsOf(join(directory.path, `${name}.restored`))).toEqual(factsOf(join(directory.path, `${name}.db`)));
    }
    const store = bucket.store();
    const keys = await listKeys(store);
    expect(keys.filter((key) => !/^team\/(?:a|ab)\/000[0-9]\/[0-9a-f]{16}-[0-9a-f]{16}\.ltx$/.test(key))).toEqual([]);
  });

  test.runIf(extension !== undefined)('the original reads what we wrote', { timeout: 240_000 }, () => {
    for (const name of ['a', 'ab']) {
      const [facts, check] = ask(`team/${name}`, [FACTS, 'PRAGMA integrity_check']);
      expect(facts).toEqual([factsOf(join(directory.path, `${name}.db`))]);
      expect(check).toEqual([{ integrity_check: 'ok' }]);
    }
  });

  test.runIf(extension !== undefined)(
    'we restore and continue what the original wrote, which reads it again',
    { timeout: 240_000 },
    async () => {
      const create = [
        'CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)',
        'INSERT INTO t (body) VALUES (randomblob(5000)), (randomblob(70))',
      ];
      ask('fresh', [...create, FACTS], { LITESTREAM_WRITE_ENABLED: 'true', LITESTREAM_BUFFER_PATH: join(directory.path, 'buffer') });
      const store = bucket.store();
      const written = await listKeys(store, 'fresh/');
      expect(written[0]).toBe('fresh/0000/0000000000000001-0000000000000001.ltx');
      const info = await store.stat(written[0] ?? '');
      expect(info.exactTime).toBeUndefined();
      expect(Math.abs(info.createdAt - Date.now())).toBeLessThan(60_000);

      const { endpoint, region, accessKeyID, secretAccessKey } = bucket.address;
      await writeFile(
        join(directory.path, 'fresh.yml'),
        `dbs:\n  - path: fresh.db\n    replica: {type: s3, bucket: ${bucket.name}, path: fresh, endpoint: '${endpoint}', region: ${region}, ` +
          `access-key-id: ${accessKeyID}, secret-access-key: ${secretAccessKey}}\n`,
      );
      await run('restore', '-config', 'fresh.yml');
      expect(factsOf(join(directory.path, 'fresh.db'))).toMatchObject({ n: 2, bytes: 5070 });
      change(join(directory.path, 'fresh.db'), 10);
      await run('replicate', '-once', '-config', 'fresh.yml');
      expect(ask('fresh', [FACTS])).toEqual([[factsOf(join(directory.path, 'fresh.db'))]]);
    },
  );
});
