/** Pages that are to go into a copy, verified, in a scratch file in which each is at its place. */

import { viewOf } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { PageBatch } from '../../formats/ltx/decoder.ts';
import type { LTXHeader } from '../../formats/ltx/header.ts';
import { READ_VERSION_OFFSET, WRITE_VERSION_OFFSET } from '../../formats/sqlite/database-header.ts';
import { lockPage } from '../../formats/sqlite/page-size.ts';
import type { RestoreDisk } from '../restore/disk.ts';
import { PageSet } from '../restore/page-set.ts';
import type { PageSink } from '../restore/page-sink.ts';

/** A scratch file and which of its pages count. */
export interface NewPages {
  readonly fd: number;
  /** Bytes. */
  readonly pageSize: number;
  /** Size of the copy with them, pages. */
  readonly commit: number;
  /** Numbers of its pages, ascending. */
  pgnos(): Iterable<number>;
}

/** The files of a batch have another page size than the copy: it takes a whole new database. */
export class PageSizeChanged extends Error {}

/** Of several increments the newest version of each page: a sparse file, and one bit per page in memory. */
export class IncrementPages implements NewPages, PageSink {
  readonly fd: number;
  readonly pageSize: number;
  readonly #disk: RestoreDisk;
  readonly #lockPage: number;
  #pages = new PageSet(0);
  #header: LTXHeader | undefined;
  /** Smallest commit of the files newer than the current one, and of all so far. */
  #limit = 0;
  #smallest = Number.POSITIVE_INFINITY;

  /** @param fd a new, empty file. */
  constructor(disk: RestoreDisk, fd: number, pageSize: number) {
    this.#disk = disk;
    this.fd = fd;
    this.pageSize = pageSize;
    this.#lockPage = lockPage(pageSize);
  }

  /** Header of the newest file; INTERNAL before it came. */
  get header(): LTXHeader {
    if (this.#header === undefined) throw new LitestreamError('INTERNAL', 'no file was applied');
    return this.#header;
  }

  get commit(): number {
    return this.#pages.size;
  }

  get complete(): boolean {
    return this.#header !== undefined && this.#pages.count === this.commit - (this.#lockPage <= this.commit ? 1 : 0);
  }

  pgnos(): Iterable<number> {
    return this.#pages.values();
  }

  beginFile(header: LTXHeader): void {
    if (header.pageSize !== this.pageSize) throw new PageSizeChanged();
    if (this.#header === undefined) {
      this.#header = header;
      this.#pages = new PageSet(header.commit);
    }
    // Pages above the size after a newer file were cut off by it, and those it grew by again are in it.
    this.#limit = Math.min(this.commit, this.#smallest);
    this.#smallest = Math.min(this.#smallest, header.commit);
  }

  write({ count, pgnos, pages }: PageBatch): void {
    const size = this.pageSize;
    for (let at = 0; at < count; ) {
      let end = at;
      while (end < count && this.#wins(pgnos[end] ?? 0) && pgnos[end] === (pgnos[at] ?? 0) + end - at) end++;
      if (end > at) this.#disk.write(this.fd, pages.subarray(at * size, end * size), ((pgnos[at] ?? 0) - 1) * size);
      for (let index = at; index < end; index++) this.#pages.add(pgnos[index] ?? 0);
      at = Math.max(end, at + 1);
    }
  }

  /** PAGE_MISSING when the batch makes the copy larger than `pages` and does not bring every page of the growth. */
  requireGrowth(pages: number): void {
    for (let pgno = Math.min(pages, this.#smallest) + 1; pgno <= this.commit; pgno++) {
      if (this.#pages.has(pgno) || pgno === this.#lockPage) continue;
      throw new LitestreamError('PAGE_MISSING', `following: page ${pgno} of ${this.commit} is in none of the new files`, {
        details: { page: pgno, pages: this.commit },
        hint: 'The files of the replica are damaged; take a new snapshot there.',
      });
    }
  }

  /** Adds the first page: as the files have it, else as the copy has it (`old`). */
  stamp(old: () => Uint8Array, counter: number): void {
    const isNew = this.#pages.has(1);
    const page = isNew ? new Uint8Array(this.pageSize) : old();
    if (isNew) this.#disk.read(this.fd, page, 0);
    stampHeader(page, counter, this.commit);
    this.#disk.write(this.fd, page, 0);
    this.#pages.add(1);
  }

  #wins(pgno: number): boolean {
    return pgno > 0 && pgno <= this.#limit && pgno !== this.#lockPage && !this.#pages.has(pgno);
  }
}

/** From `first` to `last`, without one. */
export function* numbers(first: number, last: number, except: number): Generator<number, void, undefined> {
  for (let pgno = first; pgno <= last; pgno++) if (pgno !== except) yield pgno;
}

/** All pages of a restored database. */
export function wholeDatabase(fd: number, { pageSize, pages }: { readonly pageSize: number; readonly pages: number }): NewPages {
  const hole = lockPage(pageSize);
  return { fd, pageSize, commit: pages, pgnos: () => numbers(1, pages, hole) };
}

/**
 * Makes the first page that of a copy: no WAL, so that readers take the locks we respect; a change counter of its own, which is what makes
 * them drop their caches; and its size, which SQLite believes because the counter stands beside it.
 */
export function stampHeader(page: Uint8Array, counter: number, pages: number): void {
  page[WRITE_VERSION_OFFSET] = 1;
  page[READ_VERSION_OFFSET] = 1;
  const view = viewOf(page);
  view.setUint32(24, counter);
  view.setUint32(28, pages);
  view.setUint32(92, counter);
}
