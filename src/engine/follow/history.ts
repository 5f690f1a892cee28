/** Whether the replica is still the one the copy was made from, found out with as few requests as possible. */

import { decodeHeader, LTX_HEADER_SIZE } from '../../formats/ltx/header.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import { type FileInfo, SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import { askWitnesses, otherHistory } from './choose.ts';
import type { FollowSource } from './source.ts';
import type { CopyState, Witness } from './state.ts';

/** What a listing says about the position: proven, with what is to be remembered; or nothing. */
export type Proof = { readonly isProven: false } | { readonly isProven: true; readonly state: CopyState };

const UNPROVEN: Proof = { isProven: false };

/**
 * Looks for the file that ends at the position. As it was listed last time, it is believed; otherwise its header is read: every file that ends
 * there has the time of that transaction, except snapshots. POSITION_MISMATCH when it has another one.
 */
export async function proveByFile(source: FollowSource, files: readonly FileInfo[], state: CopyState, signal: AbortSignal): Promise<Proof> {
  const file = fileAt(files, state);
  if (file === undefined || state.timestamp === undefined) return UNPROVEN;
  if (file.level === 0 && state.listed?.size === file.size && state.listed.createdAt === file.createdAt) return { isProven: true, state };
  const seen = await lookAt(source, file, state, signal);
  if (seen.timestamp === state.timestamp) return { isProven: true, state: seen };
  throw otherHistory(`transaction ${formatTXID(state.txid)} of the replica is not the one the copy has`, {
    position: formatTXID(state.txid),
  });
}

/** The file of the lowest level that ends at the position; a snapshot has the time at which it was taken and says nothing. */
function fileAt(files: readonly FileInfo[], { txid }: CopyState): FileInfo | undefined {
  return files.filter(({ maxTXID, level }) => maxTXID === txid && level !== SNAPSHOT_LEVEL).sort((a, b) => a.level - b.level)[0];
}

async function lookAt(source: FollowSource, file: FileInfo, state: CopyState, signal: AbortSignal): Promise<CopyState> {
  const listed = file.level === 0 ? { listed: { size: file.size, createdAt: file.createdAt } } : {};
  return { ...state, timestamp: await timestampOf(source, file, signal), ...listed };
}

/** The same with all levels, where older files may speak for the position. */
export async function proveByAll(
  source: FollowSource,
  files: readonly FileInfo[],
  state: CopyState,
  witnesses: readonly Witness[],
  signal: AbortSignal,
): Promise<Proof> {
  const proof = await proveByFile(source, files, state, signal);
  if (proof.isProven) return proof;
  switch (askWitnesses(files, witnesses)) {
    case 'same': {
      const file = fileAt(files, state);
      return { isProven: true, state: file === undefined ? state : await lookAt(source, file, state, signal) };
    }
    case 'silent':
      return UNPROVEN;
    case 'other':
      throw otherHistory('a file of the replica is not the one that was applied', { position: formatTXID(state.txid) });
  }
}

/** Time in the header of a file, ms. */
export async function timestampOf(source: FollowSource, file: FileInfo, signal: AbortSignal): Promise<number> {
  return decodeHeader(await source.read(file, { length: LTX_HEADER_SIZE, signal })).timestamp;
}
