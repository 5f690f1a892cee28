/** The files of one level, collected. */

import type { FileInfo, Level } from './file-info.ts';

/** Whatever lists like a replica. */
interface Listed<Options> {
  list(level: Level, options?: Options): AsyncIterable<FileInfo>;
}

/** A listing that fails is an error, never a shorter list. */
export async function listLevel<Options>(source: Listed<Options>, level: Level, options?: Options): Promise<FileInfo[]> {
  const files: FileInfo[] = [];
  for await (const file of source.list(level, options)) files.push(file);
  return files;
}
