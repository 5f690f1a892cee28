/** What a restore needs of a replica. */

import type { FileInfo, Level } from '../../replica/file-info.ts';
import type { CallOptions, OpenedObject } from '../../storage/object-store.ts';

export interface RestoreSource {
  /** Files of a level by minTXID, then maxTXID. With `exactTimes` the creation times are those of the headers, at whatever cost. */
  list(level: Level, options?: CallOptions & { readonly exactTimes?: boolean }): AsyncIterable<FileInfo>;
  /** OBJECT_NOT_FOUND when the file has gone since it was listed. */
  open(file: FileInfo, options?: CallOptions): Promise<OpenedObject>;
  /** Path of a file in the local file system, where there is one. */
  localPath?(file: FileInfo): string | undefined;
}
