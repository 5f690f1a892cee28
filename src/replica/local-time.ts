/** The creation time of a file in the local file system: a copy that lost its modification times still carries it in its header (hazard H7). */

import { closeSync, openSync, readSync } from 'node:fs';
import { decodeHeader, LTX_HEADER_SIZE } from '../formats/ltx/header.ts';

/** ms since the epoch; undefined when the file is gone or its header cannot be read, which is told when the file itself is needed. */
export function localTime(path: string): number | undefined {
  try {
    const fd = openSync(path, 'r');
    try {
      const header = new Uint8Array(LTX_HEADER_SIZE);
      return decodeHeader(header.subarray(0, readSync(fd, header, 0, LTX_HEADER_SIZE, 0))).timestamp;
    } finally {
      closeSync(fd);
    }
  } catch {
    return undefined;
  }
}
