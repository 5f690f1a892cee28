/** What a follower needs of a replica. */

import type { TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo, Level } from '../../replica/file-info.ts';
import type { CallOptions } from '../../storage/object-store.ts';
import type { RestoreSource } from '../restore/source.ts';

export interface FollowSource extends RestoreSource {
  /** As for restores; `seek` leaves out files that begin before it. */
  list(level: Level, options?: CallOptions & { readonly exactTimes?: boolean; readonly seek?: TXID }): AsyncIterable<FileInfo>;
  /** Bytes from the start of a file. */
  read(file: FileInfo, options: CallOptions & { readonly length: number }): Promise<Uint8Array>;
}
