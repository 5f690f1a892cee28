/** A file replica made of one full file and many small ones, for the restore bench. */

import { closeSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { LTXEncoder } from '../../src/formats/ltx/encoder.ts';
import { formatLTXName } from '../../src/formats/ltx/filename.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { sequence } from './sample-pages.ts';

/** Bytes. */
export const PAGE_SIZE = 4096;

export interface LongReplica {
  /** Bytes of the database. */
  readonly bytes: number;
  readonly increments: number;
  /** Pages of each increment, at random places. */
  readonly touched: number;
}

/** Writes the replica below `root`: TXID 1 is the full file. The pages are those of `sample`, but together they are no database that SQLite could open. */
export function makeLongReplica(root: string, sample: Uint8Array, { bytes, increments, touched }: LongReplica): void {
  const sampled = Math.floor(sample.length / PAGE_SIZE);
  const commit = bytes / PAGE_SIZE;
  const random = sequence(11);
  const directory = join(root, 'ltx', '0');
  mkdirSync(directory, { recursive: true });

  const write = (txid: number, pages: Iterable<number>): void => {
    const range = { minTXID: toTXID(txid), maxTXID: toTXID(txid) };
    const fd = openSync(join(directory, formatLTXName(range)), 'wx');
    try {
      using encoder = new LTXEncoder((chunk) => void writeSync(fd, chunk), {
        ...range,
        pageSize: PAGE_SIZE,
        commit,
        timestamp: 1e12 + txid,
      });
      // Another page of the sample each time a page is written.
      for (const pgno of pages) {
        const at = ((pgno + txid * 7919) % sampled) * PAGE_SIZE;
        encoder.writePage(pgno, (into) => into.set(sample.subarray(at, at + PAGE_SIZE)));
      }
      encoder.finish();
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  };

  write(
    1,
    Array.from({ length: commit }, (_, index) => index + 1),
  );
  for (let txid = 2; txid <= increments + 1; txid++) {
    const pages = new Set(Array.from({ length: touched }, () => 1 + Math.floor(random() * commit)));
    write(
      txid,
      [...pages].sort((a, b) => a - b),
    );
  }
}
