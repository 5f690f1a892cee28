/** A database in memory whose transactions are published as LTX files of a file replica, each state remembered. */

import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { formatLTXName } from '../../../src/formats/ltx/filename.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { lockPage } from '../../../src/formats/sqlite/page-size.ts';
import { encode, header } from '../../support/ltx-files.ts';
import { Random } from '../../support/random.ts';

/** After each transaction the sums of both tables are equal, and `n` is the number of transactions. */
const SCHEMA = `
  CREATE TABLE a (id INTEGER PRIMARY KEY, value INTEGER NOT NULL, filler BLOB);
  CREATE TABLE b (id INTEGER PRIMARY KEY, value INTEGER NOT NULL, filler BLOB);
  CREATE TABLE n (n INTEGER NOT NULL);
  INSERT INTO n VALUES (0);`;

export class Primary {
  readonly root: string;
  readonly random: Random;
  /** Image of the database after each TXID, in WAL mode as a live one is. */
  readonly images = new Map<number, Buffer>();
  readonly #times = new Map<number, number>();
  #db: Database.Database;
  txid = 0;
  pageSize: number;

  constructor(root: string, seed: number, pageSize = 1024, time = 1_700_000_000_000) {
    this.root = root;
    this.random = new Random(seed);
    this.pageSize = pageSize;
    this.#db = open(pageSize);
    this.#db.exec(SCHEMA);
    this.#time = time;
    mkdirSync(join(root, 'ltx', '0'), { recursive: true });
  }

  #time: number;

  get image(): Buffer {
    return this.images.get(this.txid) ?? Buffer.alloc(0);
  }

  /** A random change of both tables, published as the next level-0 file. */
  step(rows = 6): number {
    const { random } = this;
    const change = this.#db.transaction(() => {
      for (let i = random.between(1, rows); i > 0; i--) {
        const value = random.between(1, 1000);
        for (const table of ['a', 'b'])
          this.#db.prepare(`INSERT INTO ${table} (value, filler) VALUES (?, ?)`).run(value, random.bytes(random.between(0, 900)));
      }
      if (random.chance(0.3)) {
        const cut = random.between(1, 20);
        for (const table of ['a', 'b']) this.#db.prepare(`DELETE FROM ${table} WHERE id % 20 = ?`).run(cut);
      }
      this.#db.exec('UPDATE n SET n = n + 1');
    });
    change();
    if (random.chance(0.1)) this.#db.exec('VACUUM');
    return this.publish();
  }

  /** Publishes the state as it is. `full`: every page. */
  publish({ full = this.txid === 0 } = {}): number {
    const before = this.image;
    const image = this.#db.serialize();
    image[18] = 2;
    image[19] = 2;
    this.txid += 1;
    this.images.set(this.txid, image);
    this.#time += 1000;
    this.#times.set(this.txid, this.#time);
    this.#put(0, this.txid, this.txid, changedPages(full ? Buffer.alloc(0) : before, image, this.pageSize), image);
    return this.txid;
  }

  /** A file of `level` from `min` to `max`. */
  merge(level: number, min: number, max: number): void {
    const before = this.images.get(min - 1) ?? Buffer.alloc(0);
    const after = this.images.get(max) ?? Buffer.alloc(0);
    // What changed at any time between: a page that changed and changed back is in the files, too.
    const numbers = new Set<number>();
    let last = before;
    for (let txid = min; txid <= max; txid++) {
      const image = this.images.get(txid) ?? Buffer.alloc(0);
      for (const [pgno] of changedPages(last, image, this.pageSize)) numbers.add(pgno);
      last = image;
    }
    const pages = [...numbers]
      .filter((pgno) => pgno * this.pageSize <= after.length)
      .sort((left, right) => left - right)
      .map((pgno): [number, Buffer] => [pgno, pageOf(after, pgno, this.pageSize)]);
    this.#put(level, min, max, pages, after);
  }

  remove(level: number, min: number, max: number): void {
    rmSync(this.path(level, min, max));
  }

  path(level: number, min: number, max: number): string {
    return join(this.root, 'ltx', String(level), formatLTXName({ minTXID: toTXID(min), maxTXID: toTXID(max) }));
  }

  /** The application went back to an older state; the TXIDs go on, with a full file. */
  goBack(txid: number): number {
    const image = Buffer.from(this.images.get(txid) ?? Buffer.alloc(0));
    image[18] = 1;
    image[19] = 1;
    this.#db.close();
    this.#db = new Database(image);
    return this.publish({ full: true });
  }

  /** Another page size, as a VACUUM makes it. */
  changePageSize(pageSize: number): number {
    const db = open(pageSize);
    db.exec(SCHEMA);
    for (const table of ['a', 'b'])
      for (const row of this.#db.prepare<[], { id: number; value: number; filler: Buffer }>(`SELECT * FROM ${table}`).all())
        db.prepare(`INSERT INTO ${table} VALUES (?, ?, ?)`).run(row.id, row.value, row.filler);
    db.prepare('UPDATE n SET n = ?').run(this.#db.prepare('SELECT n FROM n').pluck().get() as number);
    this.#db.close();
    this.#db = db;
    this.pageSize = pageSize;
    return this.publish({ full: true });
  }

  close(): void {
    this.#db.close();
  }

  #put(level: number, min: number, max: number, pages: Iterable<readonly [number, Uint8Array]>, image: Buffer): void {
    const path = this.path(level, min, max);
    mkdirSync(join(path, '..'), { recursive: true });
    const timestamp = this.#times.get(max) ?? 0;
    const init = header(min, max, image.length / this.pageSize, { pageSize: this.pageSize, timestamp });
    writeFileSync(`${path}.tmp`, encode(init, pages));
    utimesSync(`${path}.tmp`, (timestamp + 0.0005) / 1000, (timestamp + 0.0005) / 1000);
    renameSync(`${path}.tmp`, path);
  }
}

function open(pageSize: number): Database.Database {
  const db = new Database(':memory:');
  db.pragma(`page_size = ${pageSize}`);
  return db;
}

const pageOf = (image: Buffer, pgno: number, size: number): Buffer => image.subarray((pgno - 1) * size, pgno * size);

function changedPages(before: Buffer, after: Buffer, size: number): [number, Buffer][] {
  const changed: [number, Buffer][] = [];
  for (let pgno = 1; pgno * size <= after.length; pgno++) {
    const page = pageOf(after, pgno, size);
    if (pgno !== lockPage(size) && !page.equals(pageOf(before, pgno, size))) changed.push([pgno, page]);
  }
  return changed;
}

/** A database image without what a copy has of its own: journal mode and change counter. */
export function withoutCounters(image: Uint8Array): Buffer {
  const bytes = Buffer.from(image);
  bytes.fill(0, 18, 20);
  bytes.fill(0, 24, 28);
  bytes.fill(0, 92, 96);
  return bytes;
}
