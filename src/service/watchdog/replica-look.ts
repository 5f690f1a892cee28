/** What is at a replica, by its own listing. */

import { LitestreamError } from '../../base/errors.ts';
import { listCatalogue } from '../../engine/restore/catalogue.ts';
import { planRestore } from '../../engine/restore/plan.ts';
import { LATEST } from '../../engine/restore/target.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';

/** The level-0 file that ends at or behind `position`, by one listing of the tail; undefined when level 0 does not have it. */
export async function lookAtNewest(replica: Replica, position: TXID, signal: AbortSignal): Promise<FileInfo | undefined> {
  let newest: FileInfo | undefined;
  for await (const file of replica.list(0, { seek: position, signal })) newest = file;
  return newest !== undefined && newest.maxTXID >= position ? newest : undefined;
}

/** The file at which the newest state ends, when that is at or behind `position` and can be restored; else why not. */
export async function lookWhole(
  replica: Replica,
  position: TXID,
  signal: AbortSignal,
): Promise<{ readonly newest: FileInfo } | { readonly error: LitestreamError }> {
  const first = judge(replica, position, await listCatalogue(replica, { signal }));
  // A listing is not a picture of one moment: what is to be believed is found twice.
  return 'newest' in first ? first : judge(replica, position, await listCatalogue(replica, { signal }));
}

function judge(replica: Replica, position: TXID, files: readonly FileInfo[]) {
  const { destination } = replica.store;
  const max = files.reduce<TXID | undefined>((most, { maxTXID }) => (most === undefined || maxTXID > most ? maxTXID : most), undefined);
  if (max === undefined || max < position) {
    const there = max === undefined ? 'holds no files' : `ends at TXID ${formatTXID(max)}`;
    return {
      error: new LitestreamError(
        'POSITION_MISMATCH',
        `the replica at ${destination} ${there}, but TXID ${formatTXID(position)} was confirmed there`,
        {
          hint: 'Is the destination mounted, and has anybody removed files there? What is kept locally is uploaded again where that is possible.',
        },
      ),
    };
  }
  try {
    const newest = planRestore(files, LATEST).files.at(-1);
    if (newest !== undefined) return { newest };
    throw new LitestreamError('NO_SNAPSHOT', `nothing can be restored from ${destination}`);
  } catch (error) {
    if (!(error instanceof LitestreamError)) throw error;
    return { error: asTrouble(error, destination) };
  }
}

const asTrouble = (error: LitestreamError, destination: string): LitestreamError =>
  new LitestreamError(error.code, `the newest state at ${destination} cannot be restored: ${error.message}`, {
    cause: error,
    hint: 'Files were removed there. `litestream repair` copies them from another replica; a new snapshot makes the replica whole again.',
  });
