import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { bumpSequence, createBookkeepingTables } from '../../src/sqlite/bookkeeping.ts';
import { checkpoint, isBackfilled, readWALState } from '../../src/sqlite/checkpoint.ts';
import { Connection } from '../../src/sqlite/connection.ts';
import { checkIntegrity } from '../../src/sqlite/integrity.ts';
import { isOwned, OwnerLock, readOwner } from '../../src/sqlite/owner-lock.ts';
import { ReadLock } from '../../src/sqlite/read-lock.ts';
import { WriteBarrier } from '../../src/sqlite/write-barrier.ts';
import { App } from '../support/app-process.ts';

let directory: string;
let path: string;
let app: App;
const connections: Connection[] = [];

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'sqlite-'));
  path = join(directory, 'app.db');
  app = await App.start(path);
  await app.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (x)');
});

afterEach(async () => {
  for (const connection of connections.splice(0)) connection.close();
  await app.stop();
  rmSync(directory, { recursive: true, force: true });
});

function connect(options: { readonly readonly?: boolean; readonly path?: string } = {}): Connection {
  const connection = new Connection({ path, busyTimeoutMs: 0, ...options });
  connections.push(connection);
  return connection;
}

const insert = (): Promise<void> => app.exec('INSERT INTO t VALUES (randomblob(100))');

describe('Connection', () => {
  test('never checkpoints by itself, however much is written through it (row 3)', () => {
    for (const readonly of [true, false]) expect(connect({ readonly }).row('PRAGMA wal_autocheckpoint')).toEqual({ wal_autocheckpoint: 0 });
    const writer = connect();
    writer.exec(
      'INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) SELECT randomblob(4000) FROM n',
    );
    expect(readWALState(writer)).toMatchObject({ backfilled: 0 });
    expect(readWALState(writer).frames).toBeGreaterThan(3000);
  });

  test('does not create a database that is to be read', () => {
    expect(() => connect({ readonly: true, path: join(directory, 'missing.db') })).toThrow(
      expect.objectContaining({ code: 'ACCESS_DENIED' }),
    );
  });

  test('refuses a file that is not SQLite', () => {
    const other = join(directory, 'text');
    writeFileSync(other, 'no database '.repeat(100));
    expect(() => connect({ path: other })).toThrow(expect.objectContaining({ code: 'DB_INVALID' }));
  });

  test('may be closed twice', () => {
    const connection = connect();
    connection.close();
    connection.close();
    expect(connection.isOpen).toBe(false);
  });
});

describe('checkpoint', () => {
  test('reads the state of the WAL without changing it', async () => {
    const main = connect();
    const before = readWALState(main);
    await insert();
    expect(readWALState(main)).toEqual({ busy: false, frames: before.frames + 1, backfilled: 0 });
    expect(checkpoint(main, 'PASSIVE')).toEqual({ busy: false, frames: before.frames + 1, backfilled: before.frames + 1 });
    expect(isBackfilled(readWALState(main))).toBe(true);
  });

  test('does not count what is not committed', async () => {
    const main = connect();
    const before = readWALState(main);
    await app.exec(
      'PRAGMA cache_size = 1; BEGIN; INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) SELECT randomblob(4000) FROM n',
    );
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(32 + before.frames * 4120);
    expect(readWALState(main)).toEqual(before);
    await app.exec('ROLLBACK');
  });

  test('says so when a reader is in the way', async () => {
    await app.exec('BEGIN', 'reader');
    await app.all('SELECT count(*) FROM t', 'reader');
    await insert();
    const main = connect();
    const row = checkpoint(main, 'PASSIVE');
    expect(row.backfilled).toBeLessThan(row.frames);
    expect(checkpoint(main, 'TRUNCATE').busy).toBe(true);
  });

  test('refuses a database that is not in WAL mode', () => {
    const other = connect({ path: join(directory, 'rollback.db') });
    other.exec('CREATE TABLE t (x)');
    expect(() => checkpoint(other, 'PASSIVE')).toThrow(expect.objectContaining({ code: 'DB_NOT_WAL' }));
  });
});

describe('ReadLock', () => {
  const locks = (): ReadLock => {
    createBookkeepingTables(connect());
    return new ReadLock(connect({ readonly: true }), connect({ readonly: true }));
  };

  test('keeps others from truncating the WAL until it is released', async () => {
    const lock = locks();
    await app.exec('PRAGMA busy_timeout = 0');
    lock.acquire();
    await insert();
    expect(await app.checkpoint('TRUNCATE')).toMatchObject({ busy: 1 });
    lock.release();
    expect(await app.checkpoint('TRUNCATE')).toMatchObject({ busy: 0 });
  });

  test('moves on without a gap', async () => {
    const lock = locks();
    await app.exec('PRAGMA busy_timeout = 0');
    lock.acquire();
    for (let i = 0; i < 5; i++) {
      await insert();
      expect(lock.renew()).toBe(true);
      expect(lock.isHeld).toBe(true);
      expect(await app.checkpoint('TRUNCATE')).toMatchObject({ busy: 1 });
    }
  });

  test('stays where it is when the new place is not wanted', async () => {
    const lock = locks();
    lock.acquire();
    await insert();
    expect(lock.renew(() => false)).toBe(false);
    expect(lock.isHeld).toBe(true);
    expect(() =>
      lock.renew(() => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(lock.isHeld).toBe(true);
    const row = await app.checkpoint('PASSIVE');
    expect(row.checkpointed).toBeLessThan(row.log);
  });

  test('notices that it is gone', () => {
    const lock = locks();
    expect(() => lock.assertHeld()).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
    lock.acquire();
    expect(() => lock.assertHeld()).not.toThrow();
    lock.release();
    lock.release();
    expect(lock.isHeld).toBe(false);
  });
});

describe('WriteBarrier', () => {
  test('keeps writers out while it stands, and says for how long it did', async () => {
    await app.exec('PRAGMA busy_timeout = 0');
    const barrier = new WriteBarrier(connect(), systemClock);
    expect(await barrier.raise(1000)).toBe(true);
    await expect(insert()).rejects.toMatchObject({ code: 'SQLITE_BUSY' });
    expect(barrier.lower()).toBeGreaterThan(0);
    expect(barrier.lower()).toBe(0);
    await insert();
  });

  test('waits for a writer without blocking, and gives up in time', async () => {
    await app.exec('BEGIN IMMEDIATE');
    const barrier = new WriteBarrier(connect(), systemClock);
    expect(await barrier.raise(30)).toBe(false);
    const raising = barrier.raise(60_000);
    await app.exec('COMMIT');
    expect(await raising).toBe(true);
    barrier.lower();
  });
});

describe('the bookkeeping tables', () => {
  test('have the names and the schema that every replicated database has', async () => {
    createBookkeepingTables(connect());
    expect(await app.all("SELECT sql FROM sqlite_schema WHERE name LIKE '\\_litestream%' ESCAPE '\\' ORDER BY name", 'other')).toEqual([
      { sql: 'CREATE TABLE _litestream_lock (id INTEGER)' },
      { sql: 'CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER)' },
    ]);
  });

  test('are not written when they exist', () => {
    const connection = connect();
    createBookkeepingTables(connection);
    const before = readWALState(connection);
    createBookkeepingTables(connection);
    expect(readWALState(connection)).toEqual(before);
  });

  test('count by one, and give way to a writer', async () => {
    const connection = connect();
    createBookkeepingTables(connection);
    expect([bumpSequence(connection), bumpSequence(connection)]).toEqual([true, true]);
    expect(await app.all('SELECT * FROM _litestream_seq', 'other')).toEqual([{ id: 1, seq: 2 }]);
    await app.exec('BEGIN IMMEDIATE');
    expect(bumpSequence(connection)).toBe(false);
  });
});

describe('OwnerLock', () => {
  const info = { pid: 4711, socket: '/run/a.sock', startedAt: 17 };

  test('has one owner, who can be asked for', () => {
    const lock = OwnerLock.acquire(directory, info);
    expect(isOwned(directory)).toBe(true);
    expect(readOwner(directory)).toEqual(info);
    expect(() => OwnerLock.acquire(directory, { ...info, pid: 1 })).toThrow(
      expect.objectContaining({ code: 'DB_OWNED', details: { directory, pid: 4711, socket: '/run/a.sock' } }),
    );
    expect(readOwner(directory)).toEqual(info);
    lock.release();
    lock.release();
    expect(isOwned(directory)).toBe(false);
    expect(readOwner(directory)).toBeUndefined();
    OwnerLock.acquire(directory, info).release();
  });

  test('notices that its directory was replaced', () => {
    const meta = join(directory, 'meta');
    mkdirSync(meta);
    const lock = OwnerLock.acquire(meta, info);
    expect(lock.isIntact()).toBe(true);
    renameSync(meta, `${meta}.old`);
    expect(lock.isIntact()).toBe(false);
    mkdirSync(meta);
    const other = OwnerLock.acquire(meta, { ...info, pid: 2 });
    expect(lock.isIntact()).toBe(false);
    lock.release();
    expect(readOwner(meta)).toMatchObject({ pid: 2 });
    other.release();
  });

  test('is not fooled by what an earlier owner left behind', () => {
    writeFileSync(join(directory, 'owner.json'), '{"pid": 99999');
    expect(readOwner(directory)).toBeUndefined();
    const lock = OwnerLock.acquire(directory, info);
    expect(readOwner(directory)).toEqual(info);
    lock.release();
  });
});

describe('checkIntegrity', () => {
  test('finds a sound file sound, and leaves nothing beside it', async () => {
    await insert();
    await app.run((context) => context.closeAll());
    expect(checkIntegrity(path, 'quick')).toEqual({ ok: true });
    expect(checkIntegrity(path, 'full')).toEqual({ ok: true });
    expect(() => statSync(`${path}-wal`)).toThrow();
  });

  test('finds damage', async () => {
    await app.exec(
      'CREATE INDEX i ON t (x); INSERT INTO t WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) SELECT randomblob(200) FROM n',
    );
    await app.run((context) => context.closeAll());
    await app.run((_context, file: string) => {
      const fs = process.getBuiltinModule('node:fs');
      const bytes = fs.readFileSync(file);
      bytes.fill(0x5a, 4096 * 3, 4096 * 4);
      fs.writeFileSync(file, bytes);
    }, path);
    expect(checkIntegrity(path, 'full')).toMatchObject({ ok: false, problem: expect.any(String) });
  });

  test('finds a file that is no database at all', () => {
    const other = join(directory, 'text');
    writeFileSync(other, 'no database '.repeat(100));
    expect(checkIntegrity(other, 'quick')).toMatchObject({ ok: false });
  });
});
