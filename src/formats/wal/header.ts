/** The 32 bytes at the start of a WAL file (https://sqlite.org/fileformat2.html#walformat). */

import { type ReadAt, readFully, viewOf } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { isPageSize } from '../sqlite/page-size.ts';
import { WALChecksum } from './checksum.ts';

export const WAL_HEADER_SIZE = 32;

const MAGIC_LITTLE = 0x377f_0682;
const MAGIC_BIG = 0x377f_0683;
const VERSION = 3_007_000;

export interface WALHeader {
  /** Checksums read words big-endian (magic 377f0683) instead of little-endian. The header's own fields are always big-endian. */
  readonly bigEndian: boolean;
  /** Bytes. */
  readonly pageSize: number;
  /** Belongs to the connection that wrote it: never compare it (decision 24). */
  readonly sequence: number;
  /** +1 at every in-place restart. */
  readonly salt1: number;
  /** Random at every restart. */
  readonly salt2: number;
  readonly checksum1: number;
  readonly checksum2: number;
}

/** Reads and verifies a header. WAL_INVALID when it is short, unknown or its checksum does not match. */
export function decodeWALHeader(bytes: Uint8Array): WALHeader {
  if (bytes.length < WAL_HEADER_SIZE) throw invalid(`there are ${bytes.length} bytes, a WAL header has ${WAL_HEADER_SIZE}`);
  const view = viewOf(bytes);
  const magic = view.getUint32(0);
  if (magic !== MAGIC_LITTLE && magic !== MAGIC_BIG) throw invalid(`magic ${magic.toString(16).padStart(8, '0')} is unknown`);
  const version = view.getUint32(4);
  if (version !== VERSION) throw invalid(`version ${version} is unknown`);
  const pageSize = view.getUint32(8);
  if (!isPageSize(pageSize)) throw invalid(`page size ${pageSize} is not a page size of SQLite`);
  const header: WALHeader = {
    bigEndian: magic === MAGIC_BIG,
    pageSize,
    sequence: view.getUint32(12),
    salt1: view.getUint32(16),
    salt2: view.getUint32(20),
    checksum1: view.getUint32(24),
    checksum2: view.getUint32(28),
  };
  const sum = new WALChecksum(header.bigEndian);
  sum.update(bytes.subarray(0, 24));
  if (!sum.equals(header.checksum1, header.checksum2)) throw invalid('the checksum does not match');
  return header;
}

/** The header of the WAL behind `read`, or undefined where the WAL is empty: absent content, as after a truncating checkpoint, or fewer bytes than a header. WAL_INVALID otherwise. */
export function readWALHeader(read: ReadAt): WALHeader | undefined {
  const bytes = new Uint8Array(WAL_HEADER_SIZE);
  return readFully(read, 0, bytes) < WAL_HEADER_SIZE ? undefined : decodeWALHeader(bytes);
}

/** Both salts are equal. */
export function sameSalts(
  a: { readonly salt1: number; readonly salt2: number },
  b: { readonly salt1: number; readonly salt2: number },
): boolean {
  return a.salt1 === b.salt1 && a.salt2 === b.salt2;
}

function invalid(reason: string): LitestreamError {
  return new LitestreamError('WAL_INVALID', `reading a WAL header: ${reason}`);
}
