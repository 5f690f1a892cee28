/** Realistic database pages for the benches: text, JSON, random blobs and two indexes, the same at every run. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'better-sqlite3';

const WORDS = 'page frame index commit lock reader writer vacuum table column value cursor journal salt header trailer level range'.split(
  ' ',
);

/** A small generator with a fixed seed: benches compare machines, not luck. */
export function sequence(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** The bytes of a SQLite database of about `bytes` bytes with the given page size; compresses about 1.5 to 1. */
export function samplePages(bytes: number, pageSize: number): Buffer {
  const directory = mkdtempSync(path.join(tmpdir(), 'bench-pages-'));
  try {
    const file = path.join(directory, 'sample.db');
    fillDatabase(file, bytes, pageSize);
    return readFileSync(file);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Makes a database of about `bytes` bytes with text, JSON, random blobs and two indexes. */
export function fillDatabase(file: string, bytes: number, pageSize: number): void {
  const database = new Database(file);
  try {
    database.pragma(`page_size = ${pageSize}`);
    database.pragma('journal_mode = OFF');
    database.exec('CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, body TEXT, data BLOB)');
    database.exec('CREATE INDEX item_name ON item (name); CREATE INDEX item_body ON item (substr(body, 1, 24))');
    const insert = database.prepare('INSERT INTO item (name, body, data) VALUES (?, ?, ?)');
    const random = sequence(7);
    const size = database.prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size');
    const grow = database.transaction(() => {
      for (let row = 0; row < 500; row++) insert.run(...itemOf(random));
    });
    while ((size.get() as { bytes: number }).bytes < bytes) grow();
  } finally {
    database.close();
  }
}

function itemOf(random: () => number): [string, string, Buffer] {
  const word = (): string => WORDS[Math.floor(random() * WORDS.length)] ?? '';
  const text = Array.from({ length: 4 + Math.floor(random() * 24) }, word).join(' ');
  const body = JSON.stringify({ id: Math.floor(random() * 1e9), kind: word(), text, score: random(), tags: [word(), word()] });
  const data = Buffer.from(Array.from({ length: Math.floor(random() * 320) }, () => Math.floor(random() * 256)));
  return [`${word()}-${Math.floor(random() * 1e6)}`, body, data];
}
