/** Puts pages into the new database file: of each page the newest version, once, in place (decision 7). */

import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { LitestreamError } from '../../base/errors.ts';
import type { Kernel } from '../../formats/kernel/kernel.ts';
import { CHECKSUM_FLAG, type Checksum, rollChecksum } from '../../formats/ltx/checksum.ts';
import type { PageBatch } from '../../formats/ltx/decoder.ts';
import type { LTXHeader } from '../../formats/ltx/header.ts';
import { lockPage } from '../../formats/sqlite/page-size.ts';
import { diskError, type RestoreDisk } from './disk.ts';
import { PageSet } from './page-set.ts';
import { PageSpill } from './page-spill.ts';
import type { Stopwatch } from './time-shares.ts';

/** Shorter writes cost more than their bytes: they are put off until their neighbours are there. */
const PIECE_BYTES = 64 * 1024;

/** Bytes in long runs after which the kernel is asked to begin writing back, so that the fsync at the end finds little to do. */
const WRITE_BACK_BYTES = 64 * 1024 * 1024;

/** A long run. Early write-back of what lies scattered costs the file system more than the fsync at the end saves. */
const WRITE_BACK_RUN_BYTES = 256 * 1024;

/** Largest piece in which pages that were put off are written at the end. */
const PUT_OFF_BYTES = 1024 * 1024;

/** Nothing is older than a file that begins here. */
const FIRST_TXID = 1n;

export interface PageWriterTools {
  readonly disk: RestoreDisk;
  readonly fd: number;
  /** For a file of pages that are put off; nothing may exist there. */
  readonly spillPath: string;
  /** Bytes of pages that may be put off, beside a result of `resultBytes`. */
  readonly spillRoom: (resultBytes: number) => number;
  readonly kernel: Kernel;
  readonly stopwatch: Stopwatch;
}

/** Takes files newest first: `beginFile`, its batches, then the next older file. */
export class PageWriter {
  readonly #tools: PageWriterTools;
  #pages = new PageSet(0);
  #spill: PageSpill | undefined;
  /** No older file can bring the neighbours of what is put off. */
  #isOldest = false;
  /** Of each page of a batch whether it is the newest of its number and not yet written. */
  #wins = new Uint8Array(0);
  #pageSize = 0;
  #lockPage = 0;
  /** Smallest commit of the files taken so far: what lies above was truncated after any older file was made. */
  #limit = 0;
  #nextLimit: number | undefined;
  #checksum: Checksum = CHECKSUM_FLAG;
  #sinceWriteBack = 0;
  /** One at a time. Its failure must not be lost: the kernel reports a failed write-back once per descriptor. */
  #writeBack: Promise<void> | undefined;
  #writeBackError: unknown;

  constructor(tools: PageWriterTools) {
    this.#tools = tools;
  }

  get pageSize(): number {
    return this.#pageSize;
  }

  /** Size of the result in pages; 0 before the first file. */
  get commit(): number {
    return this.#pages.size;
  }

  get pagesWritten(): number {
    return this.#pages.count;
  }

  /** Nothing an older file holds can be wanted any more. */
  get complete(): boolean {
    if (this.#nextLimit === undefined) return false;
    const holes = this.#lockPage <= this.commit ? 1 : 0;
    return this.#pages.count === this.commit - holes;
  }

  /** Pages were put off, for which space beside the result was needed. */
  get spilled(): boolean {
    return this.#spill?.used ?? false;
  }

  /** XOR of the page checksums with bit 63 set: the database checksum of docs/formats/ltx.md. */
  get checksum(): Checksum {
    return this.#checksum;
  }

  /** LTX_INVALID when the page size differs from the files before. */
  beginFile(header: LTXHeader, name: string): void {
    this.#isOldest = header.minTXID === FIRST_TXID;
    if (this.#nextLimit === undefined) {
      this.#pageSize = header.pageSize;
      this.#lockPage = lockPage(header.pageSize);
      this.#pages = new PageSet(header.commit);
      this.#spill = this.#openSpill(header);
      this.#limit = header.commit;
      this.#nextLimit = header.commit;
      return;
    }
    if (header.pageSize !== this.#pageSize) {
      throw new LitestreamError(
        'LTX_INVALID',
        `restoring: ${name} has pages of ${header.pageSize} bytes, the newer files have ${this.#pageSize}`,
        {
          hint: 'The page size was changed by a VACUUM; restore a state from before it, or one whose snapshot was taken after it.',
        },
      );
    }
    this.#limit = this.#nextLimit;
    this.#nextLimit = Math.min(this.#nextLimit, header.commit);
  }

  /** Writes what is newest in a batch, or puts it off. Pages of the batch that are not wanted may be overwritten. */
  write(batch: PageBatch): void {
    const { count, pgnos } = batch;
    const shortest = this.#isOldest || !this.#spill?.accepts(count) ? 1 : Math.ceil(PIECE_BYTES / this.#pageSize);
    this.#chooseWinners(batch);
    for (let at = 0; at < count; ) {
      const end = this.#stretchEnd(pgnos, at);
      if (end - at >= shortest) this.#writeStretch(batch, at, end);
      at = Math.max(end, at + 1);
    }
    if (shortest > 1) this.#putOff(batch);
  }

  /** Writes the pages that were put off and that no older file had neighbours for. Rejects with the signal's reason after an abort. */
  async writePutOff(signal: AbortSignal): Promise<void> {
    const pgnos = this.#spill?.pgnos() ?? [];
    const most = Math.max(1, PUT_OFF_BYTES / this.#pageSize);
    const pages = new Uint8Array(pgnos.length === 0 ? 0 : most * this.#pageSize);
    let since = 0;
    for (let at = 0; at < pgnos.length; ) {
      const first = pgnos[at] ?? 0;
      let count = 1;
      while (count < most && pgnos[at + count] === first + count) count++;
      for (let index = 0; index < count; index++) this.#fetch(first + index, pages, index);
      this.#writeRun(first, pages.subarray(0, count * this.#pageSize));
      at += count;
      since += count;
      if (since < most) continue;
      since = 0;
      await yieldToEvents();
      signal.throwIfAborted();
    }
  }

  /** Every page must be there. Gives the file its size; not yet durable. PAGE_MISSING names the first page that no file holds. */
  async finish(): Promise<void> {
    await this.#writeBack;
    const missing = this.#pages.firstMissing(this.#lockPage);
    if (missing !== undefined) {
      throw new LitestreamError('PAGE_MISSING', `restoring: page ${missing} of ${this.commit} is in none of the files of the chain`, {
        details: { page: missing, pages: this.commit },
        hint: 'The chain is damaged; restore a state that starts from another snapshot.',
      });
    }
    const { disk, fd } = this.#tools;
    if (this.#writeBackError !== undefined) throw diskError(this.#writeBackError, 'writing the restored database');
    this.#attempt('giving the restored database its size', () => disk.truncate(fd, this.commit * this.#pageSize));
  }

  /** Resolves when nothing uses the descriptor any more and what was put off is gone. */
  async close(): Promise<void> {
    await this.#writeBack;
    this.#spill?.close();
  }

  #openSpill({ pageSize, commit }: LTXHeader): PageSpill {
    const { disk, spillPath: path, spillRoom } = this.#tools;
    return new PageSpill({ disk, path, pageSize, room: spillRoom(commit * pageSize) });
  }

  #chooseWinners({ count, pgnos, pages }: PageBatch): void {
    if (this.#wins.length < count) this.#wins = new Uint8Array(count);
    for (let at = 0; at < count; at++) {
      const pgno = pgnos[at] ?? 0;
      const wins = pgno <= this.#limit && pgno !== this.#lockPage && !this.#pages.has(pgno);
      this.#wins[at] = wins ? 1 : 0;
      if (!wins) continue;
      this.#pages.add(pgno);
      this.#sum(pgno, pages, at);
    }
  }

  /** End of the consecutive pages from `at` on that can be written: those that win here, and those put off before. */
  #stretchEnd(pgnos: Uint32Array, at: number): number {
    const first = pgnos[at] ?? 0;
    let end = at;
    while (end < pgnos.length && pgnos[end] === first + end - at && (this.#wins[end] === 1 || this.#spill?.has(first + end - at))) end++;
    return end;
  }

  #writeStretch({ pgnos, pages }: PageBatch, start: number, end: number): void {
    const first = pgnos[start] ?? 0;
    for (let at = start; at < end; at++) {
      if (this.#wins[at] === 0) this.#fetch(first + at - start, pages, at);
      this.#wins[at] = 0;
    }
    this.#writeRun(first, pages.subarray(start * this.#pageSize, end * this.#pageSize));
  }

  /** What wins and is not yet written. */
  #putOff({ count, pgnos, pages }: PageBatch): void {
    const size = this.#pageSize;
    for (let at = 0; at < count; ) {
      let end = at;
      while (end < count && this.#wins[end] === 1) end++;
      if (end > at)
        this.#timed('putting off pages', () => this.#spill?.put(pgnos.subarray(at, end), pages.subarray(at * size, end * size)));
      at = end + 1;
    }
  }

  /** Takes a page that was put off, as the one at `index` of `pages`. */
  #fetch(pgno: number, pages: Uint8Array, index: number): void {
    const into = pages.subarray(index * this.#pageSize, (index + 1) * this.#pageSize);
    this.#timed('fetching pages that were put off', () => this.#spill?.take(pgno, into));
  }

  #writeRun(first: number, bytes: Uint8Array): void {
    const { disk, fd } = this.#tools;
    this.#timed('writing the restored database', () => disk.write(fd, bytes, (first - 1) * this.#pageSize));
    if (bytes.length >= WRITE_BACK_RUN_BYTES) this.#sinceWriteBack += bytes.length;
    if (this.#sinceWriteBack < WRITE_BACK_BYTES || this.#writeBack !== undefined) return;
    this.#sinceWriteBack = 0;
    this.#writeBack = disk.writeBack(fd).then(
      () => this.#endWriteBack(undefined),
      (error: unknown) => this.#endWriteBack(error),
    );
  }

  #endWriteBack(error: unknown): void {
    this.#writeBack = undefined;
    this.#writeBackError ??= error;
  }

  #sum(pgno: number, pages: Uint8Array, at: number): void {
    const sum = this.#tools.kernel.pageChecksum(pgno, pages.byteOffset + at * this.#pageSize, this.#pageSize);
    this.#checksum = rollChecksum(this.#checksum, sum as Checksum);
  }

  #timed(doing: string, work: () => void): void {
    this.#tools.stopwatch.measure('write', () => this.#attempt(doing, work));
  }

  #attempt(doing: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      throw diskError(error, doing);
    }
  }
}
