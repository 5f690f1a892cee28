/** Whether a replica and the local log are one history, and what may follow where they are not. */

import { hasCode, LitestreamError } from '../../base/errors.ts';
import { readLTXFileIndex } from '../../formats/ltx/file.ts';
import { formatTXID, NO_TXID, type TXID, toTXID } from '../../formats/ltx/txid.ts';
import { lockPage } from '../../formats/sqlite/page-size.ts';
import { type FileInfo, SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';
import { fingerprintFile, type LocalLog } from './local-log.ts';
import type { PendingSnapshot } from './upload-mark.ts';

export interface Known {
  readonly position: TXID;
  /** Where our own history was last seen at the replica. */
  readonly proven: TXID | undefined;
  /** A snapshot of ours that may have arrived. */
  readonly pending: PendingSnapshot | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** `unknown`: there is no local file of that TXID to compare with. */
export type Continuity = 'same' | 'different' | 'unknown';

/**
 * Compares the file at `position` on both sides by size and trailer. A file that the replica keeps only inside a higher level cannot be
 * compared: that it is ours has to be known already, or it is the very snapshot that was under way when this process died. Costs one read of 16 bytes; asked
 * only when a position was computed anew.
 */
export async function compareAt(replica: Replica, local: LocalLog, known: Known): Promise<Continuity> {
  const { position, proven, signal } = known;
  try {
    const ours = await local.fingerprint(position);
    const isSame = await replica.holds({ level: 0, minTXID: position, maxTXID: position }, ours, { signal });
    if (isSame === undefined) return 'unknown';
    return isSame ? 'same' : 'different';
  } catch (error) {
    if (hasCode(error, 'LTX_MISSING')) return 'unknown';
    if (hasCode(error, 'OBJECT_NOT_FOUND')) return position === proven || (await hasArrived(replica, known)) ? 'same' : 'unknown';
    throw error;
  }
}

async function hasArrived(replica: Replica, { position, pending, signal }: Known): Promise<boolean> {
  if (pending?.txid !== position) return false;
  try {
    return (await replica.holds({ level: SNAPSHOT_LEVEL, minTXID: toTXID(1), maxTXID: position }, pending, { signal })) === true;
  } catch (error) {
    if (hasCode(error, 'OBJECT_NOT_FOUND')) return false;
    throw error;
  }
}

/** True when `written` at the replica is the local file at `path`, by size and trailer; false also when it cannot be read. Costs one read of 16 bytes. */
export async function isSameAt(replica: Replica, written: FileInfo, path: string, signal?: AbortSignal): Promise<boolean> {
  try {
    return (await replica.holds(written, await fingerprintFile(path), { signal })) === true;
  } catch {
    signal?.throwIfAborted();
    return false;
  }
}

/**
 * True when a local file holds every page of its database, so that it may follow any history. Reads the page index, in this thread. LTX_MISSING when
 * it has gone, and what decoding throws.
 */
export function isFullFile(path: string): boolean {
  const { header, entries } = readIndex(path);
  let pages = 0;
  for (const _ of entries) pages += 1;
  return pages === header.commit - (lockPage(header.pageSize) <= header.commit ? 1 : 0);
}

function readIndex(path: string): ReturnType<typeof readLTXFileIndex> {
  try {
    return readLTXFileIndex(path);
  } catch (error) {
    if (!(error instanceof Error) || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new LitestreamError('LTX_MISSING', `local file ${path} has gone`, { cause: error, details: { path } });
  }
}

/** The replica has less than was once confirmed there; `mark` is the file that remembers it. */
export function fellBack(
  replica: Replica,
  facts: { readonly least: TXID; readonly position: TXID; readonly mark: string },
): LitestreamError {
  const least = formatTXID(facts.least);
  const found = facts.position === NO_TXID ? 'is empty' : `ends at TXID ${formatTXID(facts.position)}`;
  return new LitestreamError(
    'POSITION_MISMATCH',
    `the replica at ${replica.store.destination} ${found}, but TXID ${least} was uploaded there`,
    {
      details: { confirmed: least, found: formatTXID(facts.position), mark: facts.mark },
      hint: `Is the destination mounted, and is it the right one? If its files were removed on purpose: litestream reset DB_PATH`,
    },
  );
}

/** The replica holds a later state than the snapshot that was to be put there. */
export const laterThere = (replica: Replica, position: TXID, upTo: TXID): LitestreamError =>
  new LitestreamError(
    'NOT_REPLICATED',
    `no snapshot of TXID ${formatTXID(upTo)} is put to ${replica.store.destination}: it has come to TXID ${formatTXID(position)} already`,
    {
      details: { txid: formatTXID(upTo), found: formatTXID(position) },
      hint: 'The next file is a full one behind it; then the snapshot is tried again.',
    },
  );

/** The replica has come to `position` since we looked, by files that are not ours. */
export const otherWriter = (replica: Replica, position: TXID): LitestreamError =>
  new LitestreamError(
    'SECOND_WRITER',
    `the replica at ${replica.store.destination} has come to TXID ${formatTXID(position)} of another history: another process writes there`,
    { details: { found: formatTXID(position) }, hint: 'Stop the other process, or give this database a destination of its own.' },
  );

/** The local files after `position` are based on another history than the one that ends there at the replica. */
export const otherHistory = (replica: Replica, position: TXID): LitestreamError =>
  new LitestreamError(
    'POSITION_MISMATCH',
    `the history up to TXID ${formatTXID(position)} at ${replica.store.destination} is not the one that the local files continue`,
    {
      details: { txid: formatTXID(position) },
      hint: 'This replica needs a snapshot to go on. If another process replicates to this destination, stop it first.',
    },
  );
