/** The page index at the end of an LTX file: which page frame lies where (docs/formats/ltx.md, Page index). */

import { viewOf } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { MAX_VARINT_SIZE, putUvarint, UvarintReader } from '../../base/varint.ts';
import { LTX_HEADER_SIZE, type LTXHeader } from './header.ts';
import { maxPageFrameSize, PAGE_HEADER_SIZE } from './page-frame.ts';
import { PageOrder, requiredPages } from './page-order.ts';
import { LTX_TRAILER_SIZE } from './trailer.ts';

export interface PageIndexEntry {
  readonly pgno: number;
  /** File offset of the page frame. */
  readonly offset: number;
  /** Bytes of the page frame: header, size field and payload. */
  readonly size: number;
}

/** Bytes of a file's tail that hold the whole index of most files: what to fetch first. */
export const PAGE_INDEX_TAIL_SIZE = 32 * 1024;

/** Bytes of the size field behind the entries. */
export const INDEX_SIZE_FIELD = 8;

const ENTRY_ROOM = 3 * MAX_VARINT_SIZE;
/** The smallest file: header, end marker, index of one byte and its size, trailer. */
const LEAST_FILE_SIZE = LTX_HEADER_SIZE + PAGE_HEADER_SIZE + 1 + INDEX_SIZE_FIELD + LTX_TRAILER_SIZE;

/** Entries as bytes, one growing buffer of varints. */
export class PageIndexBuilder {
  #bytes = new Uint8Array(1024);
  #length = 0;

  add(pgno: number, offset: number, size: number): void {
    this.#reserve(ENTRY_ROOM);
    const afterPgno = putUvarint(this.#bytes, this.#length, pgno);
    const afterOffset = putUvarint(this.#bytes, afterPgno, offset);
    this.#length = putUvarint(this.#bytes, afterOffset, size);
  }

  /** Bytes of the entries so far. */
  get length(): number {
    return this.#length;
  }

  /** The entries since the last `take`; valid until the next `add`. */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  /** Entries, terminator and size field, as they stand in the file. Ends the builder. */
  finish(): Uint8Array {
    this.#reserve(1 + INDEX_SIZE_FIELD);
    this.#bytes[this.#length++] = 0;
    viewOf(this.#bytes).setBigUint64(this.#length, BigInt(this.#length));
    return this.#bytes.subarray(0, this.#length + INDEX_SIZE_FIELD);
  }

  #reserve(room: number): void {
    if (this.#length + room <= this.#bytes.length) return;
    const grown = new Uint8Array(this.#bytes.length * 2);
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}

/**
 * Where the entries of the index lie in a file of `fileSize` bytes: `size` bytes with their terminator, without the size field.
 * `tail` are the file's last bytes, at least 24. LTX_TRUNCATED or LTX_INVALID when that cannot be.
 */
export function locatePageIndex(tail: Uint8Array, fileSize: number): { readonly offset: number; readonly size: number } {
  const behind = INDEX_SIZE_FIELD + LTX_TRAILER_SIZE;
  if (fileSize < LEAST_FILE_SIZE || tail.length < behind) {
    throw new LitestreamError('LTX_TRUNCATED', `looking for a page index: a file of ${fileSize} bytes is too short to have one`, {
      details: { offset: fileSize },
    });
  }
  const field = viewOf(tail).getBigUint64(tail.length - behind);
  const most = fileSize - behind - LTX_HEADER_SIZE - PAGE_HEADER_SIZE;
  if (field < 1n || field > BigInt(most)) throw invalid(fileSize - behind, `its size is ${field}, between 1 and ${most} is possible`);
  const size = Number(field);
  return { offset: fileSize - behind - size, size };
}

/** What the entries are checked against. */
export interface PageIndexContext {
  /** File offset of the first byte of the index (locatePageIndex). */
  readonly offset: number;
  readonly header: Pick<LTXHeader, 'pageSize' | 'commit' | 'minTXID'>;
}

/**
 * The entries, read and checked one by one, so that none needs memory. LTX_INVALID on the first wrong one: pages must ascend, stay within the
 * commit, leave out the lock page and, from TXID 1, nothing else; their frames must fill the page block without a hole.
 * `bytes` are exactly those of locatePageIndex.
 */
export function* readPageIndex(bytes: Uint8Array, context: PageIndexContext): Generator<PageIndexEntry, void, void> {
  const { pageSize, commit } = context.header;
  const order = new PageOrder({ pageSize, commit, required: requiredPages(context.header) });
  const reader = new UvarintReader(bytes);
  const largest = maxPageFrameSize(pageSize);
  let frame = LTX_HEADER_SIZE;
  while (true) {
    const at = context.offset + reader.offset;
    const pgno = reader.next();
    if (pgno === 0) break;
    const offset = reader.next();
    const size = reader.next();
    if (pgno === undefined || offset === undefined || size === undefined) throw invalid(at, 'an entry is cut off or malformed');
    const problem = order.add(pgno, 1);
    if (problem !== undefined) throw invalid(at, problem.text);
    if (offset !== frame) throw invalid(at, `page ${pgno} is said to be at ${offset}, it can only be at ${frame}`);
    if (size <= PAGE_HEADER_SIZE || size > largest) throw invalid(at, `the frame of page ${pgno} is said to have ${size} bytes`);
    frame += size;
    yield { pgno, offset, size };
  }
  const end = context.offset + reader.offset;
  if (reader.offset !== bytes.length) throw invalid(end, 'bytes follow the terminator');
  if (frame + PAGE_HEADER_SIZE !== context.offset) throw invalid(end, `the pages end at ${frame}, the index begins at ${context.offset}`);
  const missing = order.finish();
  if (missing !== undefined) throw invalid(end, missing.text);
}

function invalid(offset: number, reason: string): LitestreamError {
  return new LitestreamError('LTX_INVALID', `reading a page index: ${reason} (offset ${offset})`, { details: { offset } });
}
