/** Notices that somebody has written over the database file in place, past SQLite (docs/engine.md, Hazards, H5). */

import { WAL_HEADER_SIZE } from '../../formats/wal/header.ts';
import { openWALReader } from '../../formats/wal/reader.ts';
import type { LiveDatabase } from './live-database.ts';

export class OverwriteWatch {
  readonly #db: LiveDatabase;
  #known: Uint8Array;

  constructor(db: LiveDatabase) {
    this.#db = db;
    this.#known = db.file.readHeader();
  }

  /** After a checkpoint of our own, which may have brought a new page 1 into the file. */
  refresh(): void {
    this.#known = this.#db.file.readHeader();
  }

  /** True when the first bytes of the file, with its change counter, come neither from before nor from a checkpoint of the WAL. */
  isOverwritten(): boolean {
    const header = this.#db.file.readHeader();
    if (equal(header, this.#known)) return false;
    if (!this.#isFromWAL(header) && equal(header, this.#db.file.readHeader())) return true;
    this.#known = header;
    return false;
  }

  #isFromWAL(header: Uint8Array): boolean {
    const wal = this.#db.openWAL();
    try {
      const walHeader = wal.header();
      const start = walHeader === undefined ? undefined : openWALReader(wal.read, walHeader, WAL_HEADER_SIZE);
      if (!start?.ok) return false;
      for (let frame = start.reader.next(); frame !== undefined; frame = start.reader.next()) {
        if (frame.pgno === 1 && equal(header, frame.page.subarray(0, header.length))) return true;
      }
      return false;
    } finally {
      wal.close();
    }
  }
}

const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;
