/** Level-0 files of a made-up small database, as an engine leaves them in its local directory. */

import { mkdir, rename, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatLTXName } from '../../src/formats/ltx/filename.ts';
import { type TXID, toTXID } from '../../src/formats/ltx/txid.ts';
import { constantPage, encode, header } from './ltx-files.ts';

export interface MadeFile {
  readonly txid: TXID;
  readonly size: number;
  /** Header time, ms since the epoch. */
  readonly at: number;
  readonly bytes: Buffer;
}

/** Pages of the made-up database. */
const COMMIT = 2;

/** Bytes of the file of `txid`: page 1 only, or every page when `full`; `salt` tells histories apart. */
export function makeFile(txid: number, at: number, { full = txid === 1, salt = 0 } = {}): MadeFile {
  const pages: [number, Uint8Array][] = [[1, constantPage((txid + salt) & 0xff)]];
  if (full) pages.push([2, constantPage(salt)]);
  const bytes = encode(header(txid, txid, COMMIT, { timestamp: at }), pages);
  return { txid: toTXID(txid), size: bytes.length, at, bytes };
}

/** Publishes a file in `directory` as an engine does: whole, under its own name. */
export async function publishFile(directory: string, file: MadeFile): Promise<MadeFile> {
  await mkdir(directory, { recursive: true });
  const name = formatLTXName({ minTXID: file.txid, maxTXID: file.txid });
  await writeFile(join(directory, `${name}.tmp`), file.bytes);
  const seconds = (file.at + 0.0005) / 1000;
  await utimes(join(directory, `${name}.tmp`), seconds, seconds);
  await rename(join(directory, `${name}.tmp`), join(directory, name));
  return file;
}
