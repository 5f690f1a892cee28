/** The newest local level-0 file, found in the directory and not in anybody's memory. */

import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatLTXName, parseLTXName } from '../../formats/ltx/filename.ts';
import { decodeHeader, LTX_HEADER_SIZE, type LTXHeader } from '../../formats/ltx/header.ts';
import type { TXID } from '../../formats/ltx/txid.ts';

/** Largest TXID of the files in `directory`; undefined when there is none or it cannot be listed. */
export async function newestLocal(directory: string): Promise<TXID | undefined> {
  const names = await readdir(directory).catch((): string[] => []);
  let newest: TXID | undefined;
  for (const name of names) {
    const range = parseLTXName(name);
    if (range !== undefined && (newest === undefined || range.maxTXID > newest)) newest = range.maxTXID;
  }
  return newest;
}

/** The header of a local file; undefined when it cannot be read now. */
export async function localHeader(directory: string, txid: TXID): Promise<LTXHeader | undefined> {
  try {
    const handle = await open(join(directory, formatLTXName({ minTXID: txid, maxTXID: txid })), 'r');
    try {
      const bytes = new Uint8Array(LTX_HEADER_SIZE);
      await handle.read(bytes, 0, bytes.length, 0);
      return decodeHeader(bytes);
    } finally {
      await handle.close();
    }
  } catch {
    return undefined;
  }
}
