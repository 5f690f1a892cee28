/** Single pages of remote LTX files by range reads: the index first, then only what is wanted. */

import { LitestreamError } from '../base/errors.ts';
import { decodeHeader, describeRange, LTX_HEADER_SIZE, type LTXHeader } from '../formats/ltx/header.ts';
import { locatePageIndex, PAGE_INDEX_TAIL_SIZE, type PageIndexEntry, readPageIndex } from '../formats/ltx/page-index.ts';
import { PageReader } from '../formats/ltx/page-reader.ts';
import { threadKernel } from '../formats/ltx/thread-kernel.ts';
import type { CallOptions } from '../storage/object-store.ts';
import type { FileInfo } from './file-info.ts';
import type { Replica } from './replica.ts';

/** All that is needed of a replica here. */
export type RangeReader = Pick<Replica, 'read' | 'contentSize'>;

/** Header and page index of a remote file. */
export interface RemoteIndex {
  readonly file: FileInfo;
  readonly header: LTXHeader;
  /** Its entries by page number, checked as they are read (LTX_INVALID at the first wrong one). May be asked for again. */
  entries(): Iterable<PageIndexEntry>;
}

/**
 * Reads header and index of a file in one request for small files, two for most, three for a large index. LTX_TRUNCATED and LTX_INVALID for
 * a file that is shorter than listed or not the one its name says. The file checksum is not verified: that takes the whole file.
 */
export async function readRemoteIndex(replica: RangeReader, file: FileInfo, { signal }: CallOptions = {}): Promise<RemoteIndex> {
  const size = await replica.contentSize(file, { signal });
  const { head, tail } = await readEnds(replica, file, size, signal);
  const header = decodeHeader(head);
  if (header.minTXID !== file.minTXID || header.maxTXID !== file.maxTXID) {
    throw new LitestreamError('LTX_INVALID', `the header of ${describeRange(file)} at level ${file.level} says ${describeRange(header)}`);
  }
  const where = locatePageIndex(tail, size);
  const tailStart = size - tail.length;
  const missing = tailStart - where.offset;
  const index =
    missing <= 0
      ? tail.subarray(where.offset - tailStart, where.offset - tailStart + where.size)
      : Buffer.concat([await readExactly(replica, file, where.offset, missing, signal), tail]).subarray(0, where.size);
  return { file, header, entries: () => readPageIndex(index, { offset: where.offset, header }) };
}

/** One page, decompressed, in memory of its own. LTX_INVALID when the index led to something else. */
export async function readRemotePage(
  replica: Replica,
  { file, header }: RemoteIndex,
  entry: PageIndexEntry,
  { signal }: CallOptions = {},
): Promise<Uint8Array> {
  const frame = await readExactly(replica, file, entry.offset, entry.size, signal);
  const reader = new PageReader(threadKernel(), { pageSize: header.pageSize, windowBytes: header.pageSize }, entry.offset, 0n);
  try {
    reader.window().set(frame);
    reader.placed(frame.length);
    const { count, cause } = reader.decode();
    const { pgnos, pages } = reader.batch(count);
    if (count === 1 && pgnos[0] === entry.pgno && reader.available === 0) return pages.slice();
    throw new LitestreamError(
      'LTX_INVALID',
      `page ${entry.pgno} of ${describeRange(file)} at level ${file.level} is not where its index says`,
      {
        cause,
        details: { offset: entry.offset, pgno: entry.pgno },
      },
    );
  } finally {
    reader.release();
  }
}

async function readEnds(replica: RangeReader, file: FileInfo, size: number, signal: AbortSignal | undefined) {
  if (size <= LTX_HEADER_SIZE + PAGE_INDEX_TAIL_SIZE) {
    const bytes = await readExactly(replica, file, 0, size, signal);
    return { head: bytes, tail: bytes };
  }
  const [head, tail] = await Promise.all([
    readExactly(replica, file, 0, LTX_HEADER_SIZE, signal),
    readExactly(replica, file, size - PAGE_INDEX_TAIL_SIZE, PAGE_INDEX_TAIL_SIZE, signal),
  ]);
  return { head, tail };
}

async function readExactly(
  replica: RangeReader,
  file: FileInfo,
  offset: number,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const bytes = await replica.read(file, { offset, length, signal });
  if (bytes.length === length) return bytes;
  throw new LitestreamError(
    'LTX_TRUNCATED',
    `${describeRange(file)} at level ${file.level} has ${bytes.length} of ${length} bytes at offset ${offset}`,
    { details: { offset: offset + bytes.length } },
  );
}
