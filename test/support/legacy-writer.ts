/** Writes what version 0.3 would have written: a real database, its WAL cut into pieces at commits, one LZ4 frame each. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { xxh32 } from '../../src/formats/kernel/xxh32.ts';
import { legacyHex } from '../../src/formats/v3/names.ts';
import { bytesBody } from '../../src/storage/body.ts';
import type { ObjectStore } from '../../src/storage/object-store.ts';

const BLOCK = 65_536;

/** A frame of stored blocks of 64 KiB with a content checksum. */
export function legacyFrame(content: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [Uint8Array.from([0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7])];
  for (let at = 0; at < content.length; at += BLOCK) {
    const block = content.subarray(at, at + BLOCK);
    parts.push(word(block.length + 0x8000_0000), block);
  }
  return Buffer.concat([...parts, word(0), word(xxh32(content))]);
}

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export interface LegacyPiece {
  readonly index: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** Rows of `t` after it. */
  readonly rows: number;
}

export interface LegacyHistory {
  /** Bytes of the database before each WAL, by index. */
  readonly images: readonly Uint8Array[];
  readonly pieces: readonly LegacyPiece[];
}

/** `wals` WALs of `pieces` commits each, with 10 rows a commit; a VACUUM ends each WAL but the first. */
export function makeLegacyHistory({ wals, pieces, pageSize = 4096 }: { wals: number; pieces: number; pageSize?: number }): LegacyHistory {
  const directory = mkdtempSync(join(tmpdir(), 'legacy-'));
  const path = join(directory, 'app.db');
  try {
    const images: Uint8Array[] = [];
    const all: LegacyPiece[] = [];
    within(path, (db) => {
      db.pragma(`page_size = ${pageSize}`);
      db.pragma('journal_mode = WAL');
      db.exec('CREATE TABLE t (id INTEGER PRIMARY KEY, body BLOB)');
    });
    let rows = 0;
    for (let index = 0; index < wals; index++) {
      // Between two connections: the file may be read, and the WAL was checkpointed and removed.
      images.push(readFileSync(path));
      within(path, (db) => {
        db.pragma('wal_autocheckpoint = 0');
        for (let piece = 0, offset = 0; piece < pieces; piece++) {
          db.exec(`WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) INSERT INTO t (body) SELECT randomblob(700) FROM n`);
          rows += 10;
          if (piece === pieces - 1 && index > 0) {
            db.exec('DELETE FROM t WHERE id % 2 = 0; VACUUM');
            rows = (db.prepare('SELECT count(*) AS n FROM t').get() as { n: number }).n;
          }
          const wal = readFileSync(`${path}-wal`);
          all.push({ index, offset, bytes: wal.subarray(offset), rows });
          offset = wal.length;
        }
      });
    }
    return { images, pieces: all };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function within(path: string, work: (db: Database.Database) => void): void {
  const db = new Database(path);
  try {
    work(db);
  } finally {
    db.close();
  }
}

/** Stores a snapshot. */
export async function putLegacySnapshot(store: ObjectStore, generation: string, index: number, content: Uint8Array, createdAt: number) {
  await put(store, `generations/${generation}/snapshots/${legacyHex(index)}.snapshot.lz4`, content, createdAt);
}

/** Stores a piece of a WAL. */
export async function putLegacyPiece(store: ObjectStore, generation: string, piece: LegacyPiece, createdAt: number) {
  await put(store, legacyPieceKey(generation, piece), piece.bytes, createdAt);
}

export const legacyPieceKey = (generation: string, { index, offset }: Pick<LegacyPiece, 'index' | 'offset'>): string =>
  `generations/${generation}/wal/${legacyHex(index)}_${legacyHex(offset)}.wal.lz4`;

async function put(store: ObjectStore, key: string, content: Uint8Array, createdAt: number): Promise<void> {
  await store.put(key, bytesBody(legacyFrame(content)), { createdAt });
}
