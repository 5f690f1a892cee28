/** What a follower does next, decided from listings alone; pure. */

import { LitestreamError } from '../../base/errors.ts';
import { formatTXID, NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import { byRange, type FileInfo, MIN_FILE_SIZE } from '../../replica/file-info.ts';
import { buildChains, chainFiles } from '../restore/chains.ts';
import { LATEST, type RestoreTarget } from '../restore/target.ts';
import type { RebaseReason } from './request.ts';
import type { Witness } from './state.ts';

export type NextStep =
  | { readonly type: 'nothing' }
  /** Oldest first; together they lead from the position to `maxTXID` of the last. */
  | { readonly type: 'apply'; readonly files: readonly FileInfo[] }
  | { readonly type: 'rebase'; readonly reason: RebaseReason; readonly target: RestoreTarget }
  /** Level 0 alone does not tell: all levels have to be listed. */
  | { readonly type: 'look-wider' };

/** Bytes and files of one batch, at least one file. */
const BATCH_BYTES = 512 * 1024 * 1024;
const BATCH_FILES = 4096;

/**
 * By level 0 from the position on, which is what a quiet round lists.
 *
 * `isProven`: the file at the position was seen and is the one that was applied. Without it nothing of level 0 is believed.
 */
export function chooseFromLevel0(files: readonly FileInfo[], position: TXID, isProven: boolean): NextStep {
  const later = files.filter((file) => file.maxTXID > position && file.size >= MIN_FILE_SIZE).sort(byRange);
  const chain: FileInfo[] = [];
  let end: bigint = position;
  for (const file of later) {
    if (file.minTXID > end + 1n) break;
    if (file.maxTXID <= end) continue;
    chain.push(file);
    end = file.maxTXID;
  }
  if (chain.length > 0 && isProven) return { type: 'apply', files: firstBatch(chain) };
  if (files.length === 0 || chain.length < later.length || !isProven) return { type: 'look-wider' };
  return { type: 'nothing' };
}

/**
 * By the files of all levels. `isProven`: something of the replica shows that the position is one of its history.
 *
 * Throws POSITION_MISMATCH when the replica holds less than the copy, LTX_GAP when the newest files cannot be reached in any way.
 */
export function chooseFromAll(listing: readonly FileInfo[], position: TXID, isProven: boolean): NextStep {
  const files = listing.filter((file) => file.size >= MIN_FILE_SIZE);
  const newest = files.reduce((most, { maxTXID }) => (maxTXID > most ? maxTXID : most), NO_TXID);
  if (newest < position) throw wentBack(newest, position);
  const restorable = buildChains(files).at(-1)?.txid ?? NO_TXID;
  // Files behind a gap are no reason to stay behind what can be reached.
  const target: RestoreTarget = restorable === newest ? LATEST : { type: 'txid', txid: restorable };
  if (!isProven && restorable >= position) return { type: 'rebase', reason: 'unproven', target };
  if (newest === position) return { type: 'nothing' };
  const reachable = isProven ? chainFrom(files, position) : [];
  const reached = reachable.at(-1)?.maxTXID ?? position;
  // A base that is further than the files behind the position lead is worth its bytes: what lies between is gone for good.
  if (restorable > reached) return { type: 'rebase', reason: 'pruned', target };
  if (reachable.length > 0) return { type: 'apply', files: firstBatch(reachable) };
  throw new LitestreamError(
    'LTX_GAP',
    `following: transactions after ${formatTXID(position)} are missing from the replica, and none of its snapshots is later`,
    { hint: 'The copy stays at the state it has; it goes on by itself after the next snapshot there.' },
  );
}

/** The cheapest files from `position` to the furthest state they lead to; a snapshot may be one of them. */
function chainFrom(files: readonly FileInfo[], position: TXID): FileInfo[] {
  const here: FileInfo = { level: 9, minTXID: 1n as TXID, maxTXID: position, size: 0, createdAt: 0 };
  const end = buildChains([here, ...files.filter(({ maxTXID }) => maxTXID > position)]).at(-1);
  return end === undefined ? [] : chainFiles(end).filter((file) => file !== here);
}

function firstBatch(files: readonly FileInfo[]): FileInfo[] {
  const batch: FileInfo[] = [];
  let bytes = 0;
  for (const file of files) {
    bytes += file.size;
    if (batch.length > 0 && (bytes > BATCH_BYTES || batch.length >= BATCH_FILES)) break;
    batch.push(file);
  }
  return batch;
}

/** The newest file of each level that ends at or before the position. */
export function chooseWitnesses(files: readonly FileInfo[], position: TXID): Witness[] {
  const newest = new Map<number, FileInfo>();
  for (const file of files) {
    if (file.maxTXID > position) continue;
    const known = newest.get(file.level);
    if (known === undefined || file.maxTXID >= known.maxTXID) newest.set(file.level, file);
  }
  return [...newest.values()].map(({ level, minTXID, maxTXID, size }) => ({ level, minTXID, maxTXID, size }));
}

/** What witnesses say about the files of all levels. */
export function askWitnesses(files: readonly FileInfo[], witnesses: readonly Witness[]): 'same' | 'other' | 'silent' {
  const found = witnesses.flatMap((witness) => {
    const file = files.find((one) => one.level === witness.level && one.minTXID === witness.minTXID && one.maxTXID === witness.maxTXID);
    return file === undefined ? [] : [file.size === witness.size];
  });
  if (found.length === 0) return 'silent';
  return found.every(Boolean) ? 'same' : 'other';
}

function wentBack(newest: TXID, position: TXID): LitestreamError {
  const holds = newest === 0n ? 'holds no files' : `ends at ${formatTXID(newest)}`;
  return otherHistory(`the copy is at ${formatTXID(position)}, but the replica ${holds}`, {
    position: formatTXID(position),
    replica: formatTXID(newest),
  });
}

/** The copy may be the only one of the older history: it is kept until a person has decided. */
export function otherHistory(what: string, details: Readonly<Record<string, string>>): LitestreamError {
  return new LitestreamError('POSITION_MISMATCH', `following: ${what}`, {
    details,
    hint: 'Is it the right replica, and is it mounted? If it was really begun anew, keep the copy under another name or delete it, with its -txid file, and follow again.',
  });
}
