/** Compares a database file with the sums of another database's pages. */

import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { LitestreamError } from '../../base/errors.ts';
import type { Kernel } from '../../formats/kernel/kernel.ts';
import { threadKernel } from '../../formats/ltx/thread-kernel.ts';
import { lockPage } from '../../formats/sqlite/page-size.ts';
import type { PageSums } from '../database-engine.ts';

export interface PageComparison {
  /** Pages compared: all but the lock page. */
  readonly compared: number;
  readonly different: number;
  /** The first few that differ, ascending. */
  readonly examples: readonly number[];
}

const BATCH_BYTES = 1024 * 1024;
const EXAMPLES = 5;

/** Both have `sums.commit` pages of `sums.pageSize` bytes. LTX_TRUNCATED when one of the files ends early. */
export async function comparePages(path: string, sums: PageSums, signal: AbortSignal): Promise<PageComparison> {
  const { pageSize, commit } = sums;
  const kernel = threadKernel();
  const batch = BATCH_BYTES / pageSize;
  const memory = kernel.allocate(BATCH_BYTES);
  const expected = new BigUint64Array(batch);
  const pages = openSync(path, 'r');
  const stored = openSync(sums.path, 'r');
  const found = new Differences();
  try {
    for (let first = 1; first <= commit; first += batch) {
      signal.throwIfAborted();
      const count = Math.min(batch, commit - first + 1);
      readAll(pages, () => kernel.view(memory, count * pageSize), (first - 1) * pageSize, path);
      readAll(stored, () => new Uint8Array(expected.buffer, 0, count * 8), (first - 1) * 8, sums.path);
      compareBatch({ kernel, memory, pageSize, first, count, expected }, found);
      await yieldToEvents();
    }
  } finally {
    closeSync(stored);
    closeSync(pages);
    kernel.free(memory);
  }
  return found;
}

class Differences implements PageComparison {
  compared = 0;
  different = 0;
  readonly examples: number[] = [];

  add(pgno: number): void {
    this.different++;
    if (this.examples.length < EXAMPLES) this.examples.push(pgno);
  }
}

interface Batch {
  readonly kernel: Kernel;
  readonly memory: number;
  readonly pageSize: number;
  readonly first: number;
  readonly count: number;
  readonly expected: BigUint64Array;
}

function compareBatch({ kernel, memory, pageSize, first, count, expected }: Batch, found: Differences): void {
  const unused = lockPage(pageSize);
  for (let at = 0; at < count; at++) {
    if (first + at === unused) continue;
    found.compared++;
    if (kernel.crc64(0n, memory + at * pageSize, pageSize) !== expected[at]) found.add(first + at);
  }
}

function readAll(fd: number, view: () => Uint8Array, position: number, path: string): void {
  const { length } = view();
  for (let done = 0; done < length; ) {
    const count = readSync(fd, view().subarray(done), { position: position + done });
    if (count === 0) throw new LitestreamError('LTX_TRUNCATED', `comparing pages: ${path} ends at byte ${position + done}`);
    done += count;
  }
}
