/** Puts pages into the new database file: of each page the newest version, once, in place (decision 7). */

import { LitestreamError } from '../../base/errors.ts';
import type { Kernel } from '../../formats/kernel/kernel.ts';
import { CHECKSUM_FLAG, type Checksum, rollChecksum } from '../../formats/ltx/checksum.ts';
import type { PageBatch } from '../../formats/ltx/decoder.ts';
import type { LTXHeader } from '../../formats/ltx/header.ts';
import { lockPage } from '../../formats/sqlite/page-size.ts';
import { diskError, type RestoreDisk } from './disk.ts';
import { PageSet } from './page-set.ts';
import type { Stopwatch } from './time-shares.ts';

/** Bytes after which the kernel is asked to begin writing back, so that the fsync at the end finds little to do. */
const WRITE_BACK_BYTES = 64 * 1024 * 1024;

export interface PageWriterTools {
  readonly disk: RestoreDisk;
  readonly fd: number;
  readonly kernel: Kernel;
  readonly stopwatch: Stopwatch;
}

/** Takes files newest first: `beginFile`, its batches, then the next older file. */
export class PageWriter {
  readonly #tools: PageWriterTools;
  #pages = new PageSet(0);
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

  /** XOR of the page checksums with bit 63 set: the database checksum of docs/formats/ltx.md. */
  get checksum(): Checksum {
    return this.#checksum;
  }

  /** LTX_INVALID when the page size differs from the files before. */
  beginFile(header: LTXHeader, name: string): void {
    if (this.#nextLimit === undefined) {
      this.#pageSize = header.pageSize;
      this.#lockPage = lockPage(header.pageSize);
      this.#pages = new PageSet(header.commit);
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

  /** Writes what is newest in a batch, run by run, straight from where it lies. */
  write(batch: PageBatch): void {
    const { count, pgnos, pages } = batch;
    let runStart = -1;
    let next = 0;
    for (let at = 0; at < count; at++) {
      const pgno = pgnos[at] ?? 0;
      const wins = pgno <= this.#limit && pgno !== this.#lockPage && !this.#pages.has(pgno);
      if (runStart >= 0 && (!wins || pgno !== next)) {
        this.#writeRun(batch, runStart, at);
        runStart = -1;
      }
      if (!wins) continue;
      if (runStart < 0) runStart = at;
      next = pgno + 1;
      this.#pages.add(pgno);
      this.#sum(pgno, pages, at);
    }
    if (runStart >= 0) this.#writeRun(batch, runStart, count);
  }

  /** Every page must be there. Gives the file its size; not yet durable. PAGE_MISSING names the first page that no file holds. */
  async finish(): Promise<void> {
    await this.settle();
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

  /** Resolves when nothing uses the descriptor any more. */
  async settle(): Promise<void> {
    await this.#writeBack;
  }

  #writeRun(batch: PageBatch, start: number, end: number): void {
    const { disk, fd, stopwatch } = this.#tools;
    const size = this.#pageSize;
    const position = ((batch.pgnos[start] ?? 1) - 1) * size;
    const bytes = batch.pages.subarray(start * size, end * size);
    stopwatch.measure('write', () => this.#attempt('writing the restored database', () => disk.write(fd, bytes, position)));
    this.#sinceWriteBack += bytes.length;
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

  #attempt(doing: string, work: () => void): void {
    try {
      work();
    } catch (error) {
      throw diskError(error, doing);
    }
  }
}
