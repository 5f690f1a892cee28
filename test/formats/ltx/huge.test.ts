/** A file with millions of pages: neither writing nor reading it takes memory for each of them. */

import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LTXDecoder } from '../../../src/formats/ltx/decoder.ts';
import { LTXEncoder } from '../../../src/formats/ltx/encoder.ts';
import { locatePageIndex, readPageIndex } from '../../../src/formats/ltx/page-index.ts';
import { collect } from '../../support/live-memory.ts';
import { header } from '../../support/ltx-files.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';

let temp: TempDirectory;
beforeEach(async () => {
  temp = await tempDirectory();
});
afterEach(() => temp.remove());

/** As many pages as a database of 6 GB has at the usual page size; here of 512 bytes that compress to almost nothing. */
const PAGES = 1_500_000;
const MIB = 1024 * 1024;

/** Most memory of this process, outside the heap and in it, above what it had at the start, in bytes. Garbage counts up to 8 MiB. */
class Peak {
  readonly #before: number;
  /** At the last collection. */
  #live = 0;
  #worst = 0;

  constructor() {
    collect();
    this.#before = Peak.#now();
  }

  static #now(): number {
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  }

  sample(): void {
    let held = Peak.#now() - this.#before;
    if (held > this.#live + 8 * MIB) {
      collect();
      held = this.#live = Peak.#now() - this.#before;
    }
    this.#worst = Math.max(this.#worst, held);
  }

  get mib(): number {
    return this.#worst / MIB;
  }
}

function write(path: string): { readonly pages: number; readonly peak: Peak } {
  const fd = openSync(path, 'wx');
  const peak = new Peak();
  let at = 0;
  try {
    using encoder = new LTXEncoder(
      (chunk) => {
        at += writeSync(fd, chunk);
        peak.sample();
      },
      header(1, 1, PAGES),
    );
    const run = encoder.maxRun;
    for (let first = 1; first <= PAGES; ) {
      const count = Math.min(run, PAGES - first + 1);
      encoder.writePages(first, count, (into) => into.fill(first & 0xff));
      first += count;
    }
    const { pages, size } = encoder.finish();
    expect(size).toBe(at);
    return { pages, peak };
  } finally {
    closeSync(fd);
  }
}

function read(path: string): { readonly pages: number; readonly peak: Peak } {
  const fd = openSync(path, 'r');
  const peak = new Peak();
  try {
    let seen = 0;
    using decoder = new LTXDecoder(({ count }) => {
      seen += count;
      peak.sample();
    });
    for (let n = readSync(fd, decoder.window()); n > 0; n = readSync(fd, decoder.window())) {
      decoder.fill(n);
      peak.sample();
    }
    expect(decoder.end().pages).toBe(seen);
    return { pages: seen, peak };
  } finally {
    closeSync(fd);
  }
}

test('1,500,000 pages are written with 48 bytes of memory for each at most, and read and verified with none (row 86)', {
  timeout: 120_000,
}, () => {
  const path = join(temp.path, 'huge.ltx');
  const written = write(path);
  expect(written.pages).toBe(PAGES);
  const reading = read(path);
  expect(reading.pages).toBe(PAGES);

  // The index alone, entry by entry.
  const { size } = statSync(path);
  const fd = openSync(path, 'r');
  const tail = Buffer.alloc(24);
  readSync(fd, tail, 0, tail.length, size - tail.length);
  const { offset, size: indexSize } = locatePageIndex(tail, size);
  const index = Buffer.alloc(indexSize);
  readSync(fd, index, 0, indexSize, offset);
  closeSync(fd);
  const entries = new Peak();
  let count = 0;
  for (const { pgno } of readPageIndex(index, { offset, header: header(1, 1, PAGES) as never })) {
    if (count++ % 100_000 === 0) entries.sample();
    if (pgno > PAGES) throw new Error('a page that cannot be');
  }
  expect(count).toBe(PAGES);
  console.log({ file: size / MIB, index: indexSize / MIB, writing: written.peak.mib, reading: reading.peak.mib, entries: entries.mib });
  expect(indexSize).toBeGreaterThan(8 * MIB);
  expect(written.peak.mib).toBeLessThan((48 * PAGES) / MIB);
  expect(reading.peak.mib).toBeLessThan(24);
  expect(entries.mib).toBeLessThan(64);
});
