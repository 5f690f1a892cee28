/** Puts level-0 files that a replica has lost there again, as long as the local log has them (docs/engine.md, Compaction). */

import { hasCode } from '../../base/errors.ts';
import type { TXIDRange } from '../../formats/ltx/filename.ts';
import { type TXID, toTXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';
import { isFullFile } from '../upload/history.ts';
import type { LocalLog } from '../upload/local-log.ts';
import { localCopy } from './merge-inputs.ts';

export interface RefillTools {
  readonly replica: Replica;
  readonly local: LocalLog;
  readonly signal: AbortSignal;
}

/** A larger hole is closed sooner by a snapshot. */
const MOST_FILES = 1000n;

/**
 * Uploads the files of `hole` anew; false when that cannot be done in safety, and then a snapshot has to close it.
 *
 * The local files are the lost ones if the file behind the hole is the same on both sides and an increment: it was made on top of them.
 *
 * @param listed level 0 of the replica.
 */
export async function refillHole(hole: TXIDRange, listed: readonly FileInfo[], tools: RefillTools): Promise<boolean> {
  const { replica, local, signal } = tools;
  const next = listed.find((file) => file.level === 0 && file.minTXID === hole.maxTXID + 1n);
  if (next === undefined || hole.maxTXID - hole.minTXID >= MOST_FILES) return false;
  // A file too small to be one is in the way of its own replacement.
  if (listed.some((file) => file.minTXID >= hole.minTXID && file.maxTXID <= hole.maxTXID)) return false;
  try {
    const copy = await localCopy(next, { replica, local, signal, directory: local.directory });
    if (copy === undefined || isFullFile(copy)) return false;
    const txids = everyTXID(hole);
    await Promise.all(txids.map((txid) => local.fingerprint(txid)));
    for (const txid of txids) {
      const { body, timestamp } = await local.take(txid);
      await replica.write(0, txid, txid, body, { createdAt: timestamp, signal });
    }
    return true;
  } catch (error) {
    if (hasCode(error, 'LTX_MISSING') || hasCode(error, 'LTX_INVALID') || hasCode(error, 'OBJECT_NOT_FOUND')) return false;
    throw error;
  }
}

function everyTXID({ minTXID, maxTXID }: TXIDRange): TXID[] {
  return Array.from({ length: Number(maxTXID - minTXID) + 1 }, (_, index) => toTXID(minTXID + BigInt(index)));
}
