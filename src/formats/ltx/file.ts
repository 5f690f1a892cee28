/** LTX files on the local disk, read with synchronous calls straight into the kernel's memory. */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readFully } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { type DecodedLTX, LTXDecoder, type LTXDecoderOptions, type PageBatch } from './decoder.ts';
import { decodeHeader, LTX_HEADER_SIZE, type LTXHeader } from './header.ts';
import { locatePageIndex, type PageIndexEntry, readPageIndex } from './page-index.ts';
import { LTX_TRAILER_SIZE } from './trailer.ts';

/** Runs `use` with an open descriptor of `path`. File errors (ENOENT …) pass through. */
function withFile<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, 'r');
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

/** Decodes and verifies a whole file. File errors pass through; format errors name the path and the offset. */
export function decodeLTXFile(path: string, onPages: (batch: PageBatch) => void, options: LTXDecoderOptions = {}): DecodedLTX {
  return withFile(path, (fd) => {
    using decoder = new LTXDecoder(onPages, { name: path, ...options });
    for (let count = readSync(fd, decoder.window()); count > 0; count = readSync(fd, decoder.window())) decoder.fill(count);
    return decoder.end();
  });
}

/** Verifies a whole file, as decodeLTXFile. */
export const verifyLTXFile = (path: string): DecodedLTX => decodeLTXFile(path, () => {});

/** Reads and validates the header only. */
export const readLTXFileHeader = (path: string): LTXHeader => withFile(path, (fd) => naming(path, () => readHeader(fd)));

/** Header and checked page index (readPageIndex), without reading the pages or verifying the file checksum. */
export function readLTXFileIndex(path: string): { readonly header: LTXHeader; readonly entries: Iterable<PageIndexEntry> } {
  return withFile(path, (fd) =>
    naming(path, () => {
      const header = readHeader(fd);
      const { size } = fstatSync(fd);
      const tail = readAt(fd, Math.max(0, size - LTX_TRAILER_SIZE - 8), Math.min(size, LTX_TRAILER_SIZE + 8));
      const where = locatePageIndex(tail, size);
      const bytes = readAt(fd, where.offset, where.size);
      return { header, entries: readPageIndex(bytes, { offset: where.offset, header }) };
    }),
  );
}

const readHeader = (fd: number): LTXHeader => decodeHeader(readAt(fd, 0, LTX_HEADER_SIZE));

/** At most `length` bytes; fewer where the file ends. */
function readAt(fd: number, position: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  return bytes.subarray(
    0,
    readFully((at, into) => readSync(fd, into, 0, into.length, at), position, bytes),
  );
}

function naming<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof LitestreamError)) throw cause;
    const details = cause.details === undefined ? {} : { details: cause.details };
    throw new LitestreamError(cause.code, `LTX file ${path}: ${cause.message}`, { cause, ...details });
  }
}
