/** What can be known of a database from its files alone, without opening it (no daemon runs, or none of it is asked). */

import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { isAbsence } from '../base/system-error.ts';
import type { DatabaseSettings } from '../engine/options.ts';
import { parseLTXName } from '../formats/ltx/filename.ts';
import type { TXID } from '../formats/ltx/txid.ts';

export interface LocalFile {
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
  readonly path: string;
}

export interface LocalFacts {
  readonly exists: boolean;
  /** Bytes. */
  readonly dbSize: number | undefined;
  readonly walSize: number;
  /** ms since the epoch of the last change of database or WAL. */
  readonly changedAt: number | undefined;
  /** The local level-0 files in TXID order. */
  readonly files: readonly LocalFile[];
  /** Time of the newest of them, ms since the epoch. */
  readonly newestAt: number | undefined;
}

/** Reads sizes, times and names; opens nothing. */
export async function readLocalFacts(settings: DatabaseSettings): Promise<LocalFacts> {
  const [database, wal, files] = await Promise.all([facts(settings.path), facts(`${settings.path}-wal`), localFiles(settings.metaPath)]);
  const newest = files.at(-1);
  const times = [database?.mtimeMs, wal?.mtimeMs].filter((time) => time !== undefined);
  return {
    exists: database !== undefined,
    dbSize: database?.size,
    walSize: wal?.size ?? 0,
    changedAt: times.length === 0 ? undefined : Math.round(Math.max(...times)),
    files,
    newestAt: newest === undefined ? undefined : await fileTime(newest),
  };
}

/** Modification time of a local file, which is the time of its transaction; undefined when it is gone. */
export async function fileTime(file: LocalFile): Promise<number | undefined> {
  const time = (await facts(file.path))?.mtimeMs;
  return time === undefined ? undefined : Math.round(time);
}

async function localFiles(metaPath: string): Promise<LocalFile[]> {
  const directory = path.join(metaPath, 'ltx', '0');
  const names = await absentAs([], readdir(directory));
  const files = names.flatMap((name) => {
    const range = parseLTXName(name);
    return range === undefined ? [] : [{ ...range, path: path.join(directory, name) }];
  });
  return files.sort((a, b) => (a.maxTXID < b.maxTXID ? -1 : 1));
}

async function facts(file: string): Promise<{ readonly size: number; readonly mtimeMs: number } | undefined> {
  return absentAs(undefined, stat(file));
}

async function absentAs<T, U>(absent: U, found: Promise<T>): Promise<T | U> {
  try {
    return await found;
  } catch (error) {
    if (isAbsence(error)) return absent;
    throw error;
  }
}
