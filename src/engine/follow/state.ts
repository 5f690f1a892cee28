/** What a follower remembers across restarts: which state of the copy goes with which change counter, and how to know the replica's history again. */

import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemCode } from '../../base/system-error.ts';
import { formatTXID, parseTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import type { FollowDisk } from './disk.ts';
import type { FollowPlaces } from './places.ts';

/** One state of the copy. */
export interface CopyState {
  readonly txid: TXID;
  /** Change counter in its header; every change of the copy has its own. */
  readonly counter: number;
  /** Time in the header of the file that ends at `txid`, ms; files merged from it keep it. Absent: unknown. */
  readonly timestamp?: number;
  /** As listed: the level-0 file that ends at `txid`. */
  readonly listed?: { readonly size: number; readonly createdAt: number };
}

/** A file of the replica below the position; as long as it is there, the history is still the same. */
export type Witness = Pick<FileInfo, 'level' | 'minTXID' | 'maxTXID' | 'size'>;

export interface FollowState {
  /** Written before the copy is changed: it is in one of these states, and its change counter says which. Newest last. */
  readonly states: readonly CopyState[];
  readonly witnesses: readonly Witness[];
}

/** Replaces the file in one durable step. */
export function writeState(disk: FollowDisk, places: FollowPlaces, { states, witnesses }: FollowState): void {
  const data = {
    version: 1,
    states: states.map((state) => ({ ...state, txid: formatTXID(state.txid) })),
    witnesses: witnesses.map((file) => ({ ...file, minTXID: formatTXID(file.minTXID), maxTXID: formatTXID(file.maxTXID) })),
  };
  replaceFile(disk, places.state, `${JSON.stringify(data)}\n`);
}

/** Undefined when there is none or it makes no sense: the copy's state is then unknown, which costs a new base. */
export function readState(places: FollowPlaces): FollowState | undefined {
  try {
    const data = JSON.parse(readFileSync(places.state, 'utf8')) as Stored;
    if (data.version !== 1 || data.states.length === 0 || !data.states.every(({ counter }) => Number.isInteger(counter))) return undefined;
    return {
      states: data.states.map((state) => ({ ...state, txid: parseTXID(state.txid) })),
      witnesses: data.witnesses.map((file) => ({ ...file, minTXID: parseTXID(file.minTXID), maxTXID: parseTXID(file.maxTXID) })),
    };
  } catch {
    return undefined;
  }
}

interface Stored {
  readonly version: number;
  readonly states: readonly (Omit<CopyState, 'txid'> & { readonly txid: string })[];
  readonly witnesses: readonly (Pick<Witness, 'level' | 'size'> & { readonly minTXID: string; readonly maxTXID: string })[];
}

/** 16 hex digits and a line end, in the file the original keeps too. Makes durable what else changed in the directory of the copy. */
export function writeCursor(disk: FollowDisk, places: FollowPlaces, txid: TXID): void {
  replaceFile(disk, places.cursor, `${formatTXID(txid)}\n`);
}

/** `invalid` for a file that holds something else. */
export function readCursor(places: FollowPlaces): TXID | 'absent' | 'invalid' {
  let text: string;
  try {
    text = readFileSync(places.cursor, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return 'absent';
    throw error;
  }
  return /^[0-9a-f]{16}\n?$/i.test(text) ? parseTXID(text.trim()) : 'invalid';
}

function replaceFile(disk: FollowDisk, path: string, text: string): void {
  const temporary = `${path}.tmp`;
  disk.removeTree(temporary);
  const fd = disk.create(temporary);
  try {
    disk.write(fd, Buffer.from(text), 0);
    disk.sync(fd);
  } finally {
    disk.close(fd);
  }
  disk.rename(temporary, path);
  disk.syncDirectory(dirname(path));
}
