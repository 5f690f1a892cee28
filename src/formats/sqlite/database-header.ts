/** The first 100 bytes of a SQLite database file (https://sqlite.org/fileformat2.html#the_database_header). */

import { viewOf } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { isPageSize } from './page-size.ts';

export const DATABASE_HEADER_SIZE = 100;

/** `SQLite format 3` and a zero byte. */
export const DATABASE_MAGIC: Uint8Array = new TextEncoder().encode('SQLite format 3\0');

/** Offsets of the two bytes that say which journal the database uses: 1 rollback, 2 WAL. */
export const WRITE_VERSION_OFFSET = 18;
export const READ_VERSION_OFFSET = 19;

export interface DatabaseHeader {
  /** Bytes, 512 to 65536. */
  readonly pageSize: number;
  /** 2 when writers use the WAL, 1 for a rollback journal. */
  readonly writeVersion: number;
  /** 2 when readers need the WAL. */
  readonly readVersion: number;
  /** Bytes kept free at the end of each page. */
  readonly reservedBytes: number;
  readonly changeCounter: number;
  /** Database size in pages as the header says; only good while `sizeIsValid`. */
  readonly sizeInPages: number;
  /** The size field belongs to the last change: it is not 0 and its counter equals the change counter. */
  readonly sizeIsValid: boolean;
  readonly schemaCookie: number;
  readonly userVersion: number;
  readonly applicationId: number;
  /** SQLite library version of the last writer, such as 3051003. */
  readonly sqliteVersion: number;
}

/** Reads the header from the start of a database. SQLITE_INVALID when there are fewer than 100 bytes or they are no SQLite header. */
export function parseDatabaseHeader(bytes: Uint8Array): DatabaseHeader {
  if (bytes.length < DATABASE_HEADER_SIZE) {
    throw invalid(`the file ends after ${bytes.length} bytes, the header has ${DATABASE_HEADER_SIZE}`);
  }
  if (!DATABASE_MAGIC.every((byte, at) => bytes[at] === byte)) throw invalid('the file does not begin with "SQLite format 3"');
  const view = viewOf(bytes);
  const stored = view.getUint16(16);
  const pageSize = stored === 1 ? 65536 : stored;
  if (!isPageSize(pageSize)) throw invalid(`page size ${stored} is not a page size of SQLite`);
  const writeVersion = view.getUint8(WRITE_VERSION_OFFSET);
  const readVersion = view.getUint8(READ_VERSION_OFFSET);
  if (writeVersion < 1 || readVersion < 1 || readVersion > 2) {
    throw invalid(`file format versions ${writeVersion} and ${readVersion} are unknown`);
  }
  if (view.getUint8(21) !== 64 || view.getUint8(22) !== 32 || view.getUint8(23) !== 32)
    throw invalid('the payload fractions are not 64, 32, 32');
  const changeCounter = view.getUint32(24);
  const sizeInPages = view.getUint32(28);
  return {
    pageSize,
    writeVersion,
    readVersion,
    reservedBytes: view.getUint8(20),
    changeCounter,
    sizeInPages,
    sizeIsValid: sizeInPages > 0 && view.getUint32(92) === changeCounter,
    schemaCookie: view.getUint32(40),
    userVersion: view.getInt32(60),
    applicationId: view.getInt32(68),
    sqliteVersion: view.getUint32(96),
  };
}

function invalid(reason: string): LitestreamError {
  return new LitestreamError('SQLITE_INVALID', `reading a database header: ${reason}`, {
    hint: 'Check that the path names a SQLite database that is complete and not encrypted.',
  });
}
