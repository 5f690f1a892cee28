/** What happens to the life model's files while nothing runs: lost and changed files of a replica, another page size, older states, lost local state. */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import type { Random } from '../support/random.ts';

/** What a replica has suffered: files are gone, or one says something else. */
export type Damage = 'emptied' | 'deleted' | 'changed';

/** Empties the replica at `path`, deletes one to three of its LTX files, or changes a byte of one. Undefined when there is nothing to damage. */
export function damageReplica(path: string, random: Random): Damage | undefined {
  const files = ltxFiles(path);
  if (files.length === 0) return undefined;
  const action = random.between(0, 9);
  if (action === 0) {
    rmSync(join(path, 'ltx'), { recursive: true, force: true });
    return 'emptied';
  }
  if (action < 7) {
    for (let i = random.between(1, 3); i > 0; i--) rmSync(random.pick(files), { force: true });
    return 'deleted';
  }
  const file = random.pick(files);
  const bytes = readFileSync(file);
  const at = random.between(0, bytes.length - 1);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << random.between(0, 7));
  writeFileSync(file, bytes);
  return 'changed';
}

/** Rebuilds the database with another page size, as a person would: in rollback mode, by VACUUM. */
export function changePageSize(path: string, pageSize: number): void {
  const db = new Database(path, { timeout: 10_000 });
  try {
    db.pragma('journal_mode = DELETE');
    db.pragma(`page_size = ${pageSize}`);
    db.exec('VACUUM');
    db.pragma('journal_mode = WAL');
  } finally {
    db.close();
  }
}

const SIDES = ['', '-wal'];

/** Copies the database and, with it, its local state to `to`. */
export function backUp(database: string, metaPath: string, to: string): void {
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });
  for (const side of SIDES) if (existsSync(database + side)) cpSync(database + side, join(to, basename(database) + side));
  cpSync(metaPath, join(to, 'meta'), { recursive: true });
}

/** Puts back what `backUp` has kept: what a machine looks like that was restored from an image. */
export function bringBack(database: string, metaPath: string, from: string): void {
  removeDatabase(database);
  rmSync(metaPath, { recursive: true, force: true });
  for (const side of SIDES)
    if (existsSync(join(from, basename(database) + side))) cpSync(join(from, basename(database) + side), database + side);
  cpSync(join(from, 'meta'), metaPath, { recursive: true });
}

/** Puts the database at `from` in the place of `database`. */
export function replaceDatabase(database: string, from: string): void {
  removeDatabase(database);
  renameSync(from, database);
}

function removeDatabase(path: string): void {
  for (const side of ['', '-wal', '-shm', '-journal']) rmSync(path + side, { force: true });
}

function ltxFiles(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ltx') && basename(dirname(name)) !== 'tmp')
    .map((name) => join(path, name))
    .sort();
}
