/** A replica of a database that reaches across the lock page, restored and looked at around it. Needs a little over 2 GiB of disk. */

import { closeSync, mkdirSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';
import { LTXEncoder } from '../../../src/formats/ltx/encoder.ts';
import { formatLTXName } from '../../../src/formats/ltx/filename.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { lockPage } from '../../../src/formats/sqlite/page-size.ts';
import { openFileReplica, restore, temporaryDirectory } from './setting.ts';

/** TXID 1 ends two pages before the lock page, TXID 2 grows five pages beyond it; the result is compared page by page around it. */
export async function restoreAcrossLockPage(pageSize: number): Promise<void> {
  const lock = lockPage(pageSize);
  const root = join(temporaryDirectory(), 'replica');
  const folder = join(root, 'ltx', '0');
  mkdirSync(folder, { recursive: true });
  const path = (txid: number) => join(folder, formatLTXName({ minTXID: toTXID(txid), maxTXID: toTXID(txid) }));
  const commit = lock + 5;
  const changed = [1, 77, lock - 1, lock + 1, lock + 2, lock + 3, lock + 4, lock + 5];
  writeFile(path(1), pageSize, 1, lock - 2, upTo(lock - 2));
  writeFile(path(2), pageSize, 2, commit, changed);
  const output = join(dirname(root), 'out.db');
  const result = await restore(await openFileReplica(root), { output });
  expect(result).toMatchObject({ pages: commit, sizeBytes: commit * pageSize });
  expect(statSync(output).size).toBe(commit * pageSize);
  const page = Buffer.alloc(pageSize);
  const fd = openSync(output, 'r');
  for (const pgno of [1, 2, 76, 77, 78, 8000, lock - 2, lock - 1, lock, lock + 1, lock + 5]) {
    readSync(fd, page, 0, pageSize, (pgno - 1) * pageSize);
    const expected = Buffer.alloc(pageSize);
    if (pgno !== lock) mark(expected, pgno, changed.includes(pgno) ? 2 : 1);
    expect(page.equals(expected), `page ${pgno}`).toBe(true);
  }
  closeSync(fd);
}

/** Pages are zero but for one byte that tells the page and the file. */
function mark(page: Uint8Array, pgno: number, txid: number): void {
  page[pgno % 500] = 1 + ((pgno * 7 + txid) % 255);
}

function writeFile(path: string, pageSize: number, txid: number, commit: number, pgnos: Iterable<number>): void {
  const fd = openSync(path, 'wx');
  const header = { pageSize, commit, minTXID: toTXID(txid), maxTXID: toTXID(txid), timestamp: txid };
  using encoder = new LTXEncoder((chunk) => void writeSync(fd, chunk), header);
  for (const pgno of pgnos) {
    encoder.writePage(pgno, (into) => {
      into.fill(0);
      mark(into, pgno, txid);
    });
  }
  encoder.finish();
  closeSync(fd);
}

function* upTo(commit: number): Generator<number> {
  for (let pgno = 1; pgno <= commit; pgno++) yield pgno;
}
