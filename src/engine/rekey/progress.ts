/** How far a rekey of a replica has come, as the small object beside its files that lets another run go on from there (docs/engine.md, Encryption). */

import { createHash } from 'node:crypto';
import { formatTXID, parseTXID } from '../../formats/ltx/txid.ts';
import { byRange, type FileInfo, LEVELS } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';
import type { CallOptions } from '../../storage/object-store.ts';

/** Name of the object; outside the levels, so that readers of LTX files never see it. */
export const REKEY_NAME = 'litestream-rekey.json';

const VERSION = 1;

/** Snapshots first, then down the levels: the order in which files are done, the same in every run. */
export function inRekeyOrder(files: readonly FileInfo[]): FileInfo[] {
  return files.toSorted((a, b) => b.level - a.level || byRange(a, b));
}

/** What has to be done when everything up to and with `last` is done. */
export function filesAfter(files: readonly FileInfo[], last: FileInfo | undefined): FileInfo[] {
  const ordered = inRekeyOrder(files);
  return last === undefined
    ? ordered
    : ordered.filter((file) => file.level < last.level || (file.level === last.level && byRange(file, last) > 0));
}

/** Tells sets of recipients apart, and nothing else about them. */
export const recipientsHash = (recipients: readonly string[]): string =>
  createHash('sha256')
    .update([...new Set(recipients)].sort().join('\n'))
    .digest('hex');

/** The last file an unfinished run for the same recipients has done; undefined when there is none. */
export async function readProgress(replica: Replica, recipients: readonly string[], call: CallOptions): Promise<FileInfo | undefined> {
  const bytes = await replica.aux.read(REKEY_NAME, call);
  if (bytes === undefined) return undefined;
  try {
    const { version, recipients: hash, level, min_txid: min, max_txid: max } = JSON.parse(Buffer.from(bytes).toString('utf8'));
    const known = LEVELS.find((one) => one === level);
    if (version !== VERSION || hash !== recipientsHash(recipients) || known === undefined) return undefined;
    return { level: known, minTXID: parseTXID(min), maxTXID: parseTXID(max), size: 0, createdAt: 0 };
  } catch {
    return undefined; // damaged: from the beginning
  }
}

export async function writeProgress(replica: Replica, recipients: readonly string[], last: FileInfo): Promise<void> {
  const { level, minTXID, maxTXID } = last;
  const fields = {
    version: VERSION,
    recipients: recipientsHash(recipients),
    level,
    min_txid: formatTXID(minTXID),
    max_txid: formatTXID(maxTXID),
  };
  await replica.aux.write(REKEY_NAME, Buffer.from(`${JSON.stringify(fields)}\n`));
}
