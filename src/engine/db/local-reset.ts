/** Moves a database's local log out of the way, so that replication begins anew behind what the replicas hold (docs/engine.md, Reset). */

import { existsSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseLTXName } from '../../formats/ltx/filename.ts';
import { formatTXID, NO_TXID, parseTXID, type TXID } from '../../formats/ltx/txid.ts';
import { fileError } from './publish-fs.ts';

export interface MovedLog {
  /** Directory it was moved to, laid out like a replica in files; undefined when there was nothing. */
  readonly keptIn: string | undefined;
  readonly files: number;
  /** Bytes. */
  readonly bytes: number;
  /** Largest TXID of its files; it must not be used again. */
  readonly newest: TXID;
}

const NOTHING: MovedLog = { keptIn: undefined, files: 0, bytes: 0, newest: NO_TXID };
const RESET_NAME = /^reset-[0-9TZ.]+-([0-9a-f]{16})$/;

/** What a reset would move, without moving it. */
export function measureLog(metaPath: string): Omit<MovedLog, 'keptIn'> {
  const root = join(metaPath, 'ltx');
  let { files, bytes, newest } = NOTHING;
  try {
    if (!existsSync(root)) return { files, bytes, newest };
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      files += 1;
      bytes += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
      const range = parseLTXName(entry.name);
      if (range !== undefined && range.maxTXID > newest) newest = range.maxTXID;
    }
  } catch (error) {
    throw fileError(error, `looking at ${root}`);
  }
  return { files, bytes, newest };
}

/**
 * One rename: the log is there or it is not. Only for who holds the owner lock.
 * @param now ms since the epoch.
 */
export function moveLogAside(metaPath: string, now: number): MovedLog {
  const root = join(metaPath, 'ltx');
  const measured = measureLog(metaPath);
  if (!existsSync(root)) return NOTHING;
  try {
    if (measured.files === 0) {
      rmSync(root, { recursive: true, force: true });
      return NOTHING;
    }
    const stamp = new Date(now).toISOString().replace(/[-:]/g, '');
    const keptIn = join(metaPath, 'aside', `reset-${stamp}-${formatTXID(measured.newest)}`);
    mkdirSync(keptIn, { recursive: true, mode: 0o700 });
    renameSync(root, join(keptIn, 'ltx'));
    return { ...measured, keptIn };
  } catch (error) {
    throw fileError(error, `moving ${root} aside`);
  }
}

/** Removes the logs of earlier resets whose place has been taken: every replica has a file beyond them. Returns how many. */
export function removeMovedLogs(metaPath: string, confirmed: TXID): number {
  const directory = join(metaPath, 'aside');
  if (!existsSync(directory)) return 0;
  const names = readdirSync(directory);
  const doomed = names.filter((name) => {
    const newest = name.match(RESET_NAME)?.[1];
    return newest !== undefined && parseTXID(newest) < confirmed;
  });
  for (const name of doomed) rmSync(join(directory, name), { recursive: true, force: true });
  if (doomed.length === names.length && names.length > 0) rmdirSync(directory);
  return doomed.length;
}
