import { closeSync, mkdirSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { LTXEncoder } from '../../../src/formats/ltx/encoder.ts';
import { formatLTXName } from '../../../src/formats/ltx/filename.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { lockPage } from '../../../src/formats/sqlite/page-size.ts';
import { openFileReplica, restore, temporaryDirectory } from './setting.ts';

const PAGE_SIZE = 65536;
const LOCK = lockPage(PAGE_SIZE);

/** Writes a file of zero pages but for one byte that tells the page and the file. */
function writeFile(path: string, txid: number, commit: number, pgnos: Iterable<number>): void {
  const fd = openSync(path, 'wx');
  const header = { pageSize: PAGE_SIZE, commit, minTXID: toTXID(txid), maxTXID: toTXID(txid), timestamp: txid };
  using encoder = new LTXEncoder((chunk) => void writeSync(fd, chunk), header);
  for (const pgno of pgnos) {
    encoder.writePage(pgno, (into) => {
      into.fill(0);
      into[pgno % 1000] = 1 + ((pgno * 7 + txid) % 255);
    });
  }
  encoder.finish();
  closeSync(fd);
}

function* allPages(commit: number): Generator<number> {
  for (let pgno = 1; pgno <= commit; pgno++) if (pgno !== LOCK) yield pgno;
}

test('a database across the 1 GiB lock page is restored, the lock page stays zero', async () => {
  const root = join(temporaryDirectory(), 'replica');
  const folder = join(root, 'ltx', '0');
  mkdirSync(folder, { recursive: true });
  const path = (txid: number) => join(folder, formatLTXName({ minTXID: toTXID(txid), maxTXID: toTXID(txid) }));
  const commit = LOCK + 5;
  writeFile(path(1), 1, LOCK - 2, allPages(LOCK - 2));
  writeFile(path(2), 2, commit, [1, 77, LOCK - 1, LOCK + 1, LOCK + 2, LOCK + 3, LOCK + 4, LOCK + 5]);
  const output = join(dirname(root), 'out.db');
  const result = await restore(await openFileReplica(root), { output });
  expect(result).toMatchObject({ pages: commit, sizeBytes: commit * PAGE_SIZE });
  expect(statSync(output).size).toBe(commit * PAGE_SIZE);
  const newer = new Set([1, 77, LOCK - 1, LOCK + 1, LOCK + 2, LOCK + 3, LOCK + 4, LOCK + 5]);
  const page = Buffer.alloc(PAGE_SIZE);
  const fd = openSync(output, 'r');
  for (const pgno of [1, 2, 76, 77, 78, 8000, LOCK - 2, LOCK - 1, LOCK, LOCK + 1, LOCK + 5]) {
    readSync(fd, page, 0, PAGE_SIZE, (pgno - 1) * PAGE_SIZE);
    const expected = Buffer.alloc(PAGE_SIZE);
    if (pgno !== LOCK) expected[pgno % 1000] = 1 + ((pgno * 7 + (newer.has(pgno) ? 2 : 1)) % 255);
    expect(page.equals(expected), `page ${pgno}`).toBe(true);
  }
  closeSync(fd);
}, 60_000);
