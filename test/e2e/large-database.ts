/** A real database that reaches beyond the lock page at 1 GiB, replicated, changed on both sides of it, restored and compared byte by byte. */

import { closeSync, openSync, readSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { lockPage } from '../../src/formats/sqlite/page-size.ts';
import { litestream } from '../../tools/processes.ts';
import { App } from '../support/app-process.ts';

const MIB = 1024 * 1024;

/** @param megabytes size of the database; more than 1024 reaches beyond the lock page. */
export async function roundTrip(directory: string, pageSize: number, megabytes: number): Promise<void> {
  writeFileSync(join(directory, 'litestream.yml'), 'dbs:\n  - path: app.db\n    replica:\n      path: replica\n');
  const app = await App.start(join(directory, 'app.db'));
  try {
    await create(app, pageSize, megabytes);
    await run(directory, 'replicate', '-once', '-config', 'litestream.yml');
    await changeBothEnds(app);
    await run(directory, 'replicate', '-once', '-config', 'litestream.yml');
    // The last connection to close brings the WAL into the file, so that the files can be compared.
    await app.run((context) => {
      const db = context.open('main');
      db.pragma('wal_checkpoint(TRUNCATE)');
    });
  } finally {
    await app.stop();
  }
  expect(statSync(join(directory, 'app.db')).size / pageSize).toBeGreaterThan(lockPage(pageSize));
  await run(directory, 'restore', '-config', 'litestream.yml', '-o', 'restored.db', '-integrity-check', 'quick', 'app.db');
  expectSameBytes(join(directory, 'app.db'), join(directory, 'restored.db'), pageSize);
  rmSync(join(directory, 'restored.db'));
}

async function create(app: App, pageSize: number, megabytes: number): Promise<void> {
  await app.run(
    (context, [size, count]: readonly [number, number]) => {
      const db = context.open('main');
      db.pragma(`page_size = ${size}`);
      db.pragma('journal_mode = OFF');
      db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)');
      const insert = db.prepare('INSERT INTO t (body) VALUES (zeroblob(?))');
      db.transaction(() => {
        for (let i = 0; i < count; i++) insert.run(1024 * 1024 - 2000);
      })();
      db.pragma('journal_mode = WAL');
    },
    [pageSize, megabytes] as const,
  );
}

async function changeBothEnds(app: App): Promise<void> {
  await app.run((context) => {
    const db = context.open('main');
    db.exec('UPDATE t SET body = randomblob(5000) WHERE id IN (1, 2, (SELECT max(id) FROM t))');
    db.exec('INSERT INTO t (body) VALUES (randomblob(3000000))');
  });
}

async function run(directory: string, ...args: string[]): Promise<void> {
  const finished = await litestream(directory, ...args);
  expect(finished, finished.stderr + finished.stdout).toMatchObject({ status: 0 });
}

/** Every byte, the counters on page 1 and the empty lock page included. */
function expectSameBytes(left: string, right: string, pageSize: number): void {
  expect(statSync(right).size).toBe(statSync(left).size);
  const files = [openSync(left, 'r'), openSync(right, 'r')] as const;
  const buffers = [Buffer.alloc(MIB), Buffer.alloc(MIB)] as const;
  try {
    for (let at = 0; at < statSync(left).size; at += MIB) {
      const [length] = files.map((fd, index) => readSync(fd, buffers[index === 0 ? 0 : 1], 0, MIB, at));
      if (buffers[0].compare(buffers[1], 0, length, 0, length) !== 0)
        throw new Error(`the restored file differs within the MiB at ${at} (page ${Math.floor(at / pageSize) + 1})`);
    }
  } finally {
    for (const fd of files) closeSync(fd);
  }
}
