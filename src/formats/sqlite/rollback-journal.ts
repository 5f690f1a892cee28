/** SQLite's rollback journal: old pages that any SQLite puts back when it finds one beside a database (https://sqlite.org/fileformat2.html#the_rollback_journal). */

import { viewOf } from '../../base/bytes.ts';

const MAGIC = Uint8Array.of(0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7);

/** Bytes of the header with its padding; readers that assume any sector size up to this find a whole header. */
export const JOURNAL_HEADER_SIZE = 4096;

/** Number before and checksum behind each page. */
const RECORD_EXTRA = 8;

/** Every so many bytes of a page one counts for its checksum. */
const CHECKSUM_STRIDE = 200;

export interface JournalHeader {
  /** Pages in the journal. */
  readonly records: number;
  /** Any 32 bits: a start for the checksums, so that what an older journal left is not taken for ours. */
  readonly nonce: number;
  /** Size of the database before the change, pages: it is given back this size first. */
  readonly pages: number;
  /** Bytes. */
  readonly pageSize: number;
}

export function encodeJournalHeader({ records, nonce, pages, pageSize }: JournalHeader): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(JOURNAL_HEADER_SIZE);
  const view = viewOf(bytes);
  bytes.set(MAGIC);
  view.setUint32(8, records);
  view.setUint32(12, nonce);
  view.setUint32(16, pages);
  view.setUint32(20, JOURNAL_HEADER_SIZE);
  view.setUint32(24, pageSize);
  return bytes;
}

/** Bytes of one record. */
export const journalRecordSize = (pageSize: number): number => pageSize + RECORD_EXTRA;

/** Completes a record in place: the page is at offset 4 of `record`, which has `journalRecordSize` bytes. */
export function sealJournalRecord(record: Uint8Array, pgno: number, nonce: number): void {
  const view = viewOf(record);
  view.setUint32(0, pgno);
  view.setUint32(record.length - 4, journalChecksum(record.subarray(4, record.length - 4), nonce));
}

/** The nonce plus every 200th byte, counted from the end of the page. */
function journalChecksum(page: Uint8Array, nonce: number): number {
  let sum = nonce >>> 0;
  for (let at = page.length - CHECKSUM_STRIDE; at > 0; at -= CHECKSUM_STRIDE) sum = (sum + (page[at] ?? 0)) >>> 0;
  return sum;
}
