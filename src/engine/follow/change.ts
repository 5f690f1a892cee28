/**
 * A change of the copy, made so that every reader sees the state before or the state after, whatever happens in between
 * (docs/engine.md, Followers).
 *
 * Everything slow comes first, while readers go on: the old pages are put into a finished rollback journal that has no name yet. Under SQLite's
 * exclusive lock the journal gets its name, the pages are written, and the journal is removed. After a crash in between, the next SQLite that
 * opens the copy finds a hot journal and puts the old pages back.
 */

import { randomBytes } from 'node:crypto';
import { fstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { lockPage } from '../../formats/sqlite/page-size.ts';
import { encodeJournalHeader, JOURNAL_HEADER_SIZE, journalRecordSize, sealJournalRecord } from '../../formats/sqlite/rollback-journal.ts';
import { PageSet } from '../restore/page-set.ts';
import type { FollowDisk } from './disk.ts';
import { type NewPages, numbers } from './new-pages.ts';
import type { FollowPlaces } from './places.ts';

/** Bytes read, compared and written at a time. */
const PIECE_BYTES = 256 * 1024;
const SLICE_MS = 20;

export interface OldPages {
  readonly fd: number;
  readonly pageSize: number;
  /** Size of the copy, pages. */
  readonly pages: number;
}

/** A change that is ready to be made; the copy must not change until then. */
export interface PreparedChange {
  readonly next: NewPages;
  /** Pages that differ. */
  readonly writes: PageSet;
}

/** Writes and syncs the journal under its private name. Rejects with the signal's reason after an abort. */
export async function prepareChange(
  disk: FollowDisk,
  places: FollowPlaces,
  old: OldPages,
  next: NewPages,
  signal: AbortSignal,
): Promise<PreparedChange> {
  disk.removeTree(places.preparedJournal);
  const fd = disk.create(places.preparedJournal);
  try {
    likeCopy(disk, places.preparedJournal, old.fd);
    const journal = new JournalWriter(disk, fd, old);
    const writes = new PageSet(next.commit);
    let due = performance.now() + SLICE_MS;
    for (const run of runsToLookAt(old, next)) {
      if (old.pageSize === next.pageSize) compareRun(disk, run, { old, next, journal, writes });
      else replaceRun(disk, run, { old, next, journal, writes });
      if (performance.now() < due) continue;
      await yieldToEvents();
      signal.throwIfAborted();
      due = performance.now() + SLICE_MS;
    }
    journal.finish();
    disk.sync(fd);
    return { next, writes };
  } finally {
    disk.close(fd);
  }
}

/** Whoever may read and write the copy may put it in order after a crash. Only root may give files away. */
function likeCopy(disk: FollowDisk, path: string, copy: number): void {
  const { mode, uid, gid } = fstatSync(copy);
  disk.setMode(path, mode & 0o777);
  try {
    disk.setOwner(path, uid, gid);
  } catch {
    // Others then wait for the follower.
  }
}

/** Makes the change; the caller holds SQLite's exclusive lock and has made sure that the copy is as it was prepared for. Blocks. */
export function makeChange(disk: FollowDisk, places: FollowPlaces, copy: number, { next, writes }: PreparedChange): void {
  disk.rename(places.preparedJournal, places.journal);
  disk.syncDirectory(dirname(places.journal));
  for (const { first, count } of runsOf(writes.values(), perPiece(next.pageSize))) {
    const bytes = new Uint8Array(count * next.pageSize);
    disk.read(next.fd, bytes, (first - 1) * next.pageSize);
    disk.write(copy, bytes, (first - 1) * next.pageSize);
  }
  disk.truncate(copy, next.commit * next.pageSize);
  disk.sync(copy);
  // From here on the change is made. Its place in the directory becomes durable with the cursor.
  disk.unlink(places.journal);
}

class JournalWriter {
  readonly #disk: FollowDisk;
  readonly #fd: number;
  readonly #old: OldPages;
  readonly #nonce = randomBytes(4).readUInt32BE();
  #records = 0;

  constructor(disk: FollowDisk, fd: number, old: OldPages) {
    this.#disk = disk;
    this.#fd = fd;
    this.#old = old;
  }

  /** Adds old pages, one behind the other from `first` on, of which `chosen` count. */
  add(first: number, pages: Uint8Array, chosen: (pgno: number) => boolean): void {
    const { pageSize } = this.#old;
    const size = journalRecordSize(pageSize);
    const count = pages.length / pageSize;
    const records = new Uint8Array(count * size);
    let taken = 0;
    for (let index = 0; index < count; index++) {
      if (!chosen(first + index)) continue;
      const record = records.subarray(taken * size, (taken + 1) * size);
      record.set(pages.subarray(index * pageSize, (index + 1) * pageSize), 4);
      sealJournalRecord(record, first + index, this.#nonce);
      taken++;
    }
    if (taken === 0) return;
    this.#disk.write(this.#fd, records.subarray(0, taken * size), JOURNAL_HEADER_SIZE + this.#records * size);
    this.#records += taken;
  }

  finish(): void {
    const { pages, pageSize } = this.#old;
    this.#disk.write(this.#fd, encodeJournalHeader({ records: this.#records, nonce: this.#nonce, pages, pageSize }), 0);
  }
}

interface Run {
  readonly first: number;
  readonly count: number;
}

interface Sides {
  readonly old: OldPages;
  readonly next: NewPages;
  readonly journal: JournalWriter;
  readonly writes: PageSet;
}

const perPiece = (pageSize: number): number => Math.max(1, Math.floor(PIECE_BYTES / pageSize));

/** Pages of `next`, then pages of the copy that go. With another page size, of which nothing can be compared, all of both. */
function* runsToLookAt(old: OldPages, next: NewPages): Generator<Run, void, undefined> {
  const most = perPiece(Math.max(old.pageSize, next.pageSize));
  const hole = lockPage(old.pageSize);
  if (old.pageSize !== next.pageSize) return yield* runsOf(numbers(1, Math.max(old.pages, next.commit), 0), most);
  yield* runsOf(next.pgnos(), most);
  yield* runsOf(numbers(next.commit + 1, old.pages, hole), most);
}

/** Consecutive ones of ascending numbers, at most `most` in a run. */
function* runsOf(pgnos: Iterable<number>, most: number): Generator<Run, void, undefined> {
  let first = 0;
  let count = 0;
  for (const pgno of pgnos) {
    if (count > 0 && pgno === first + count && count < most) {
      count++;
      continue;
    }
    if (count > 0) yield { first, count };
    first = pgno;
    count = 1;
  }
  if (count > 0) yield { first, count };
}

/** Journals and marks the pages of a run that differ; what is beyond the new end is journaled, what is beyond the old one is new. */
function compareRun(disk: FollowDisk, { first, count }: Run, { old, next, journal, writes }: Sides): void {
  const size = old.pageSize;
  const before = readPages(disk, old.fd, size, first, Math.min(count, old.pages - first + 1));
  const after = readPages(disk, next.fd, size, first, Math.min(count, next.commit - first + 1));
  for (let index = 0; (index + 1) * size <= after.length; index++) {
    const end = (index + 1) * size;
    const isSame = end <= before.length && Buffer.compare(before.subarray(end - size, end), after.subarray(end - size, end)) === 0;
    if (!isSame) writes.add(first + index);
  }
  journal.add(first, before, (pgno) => pgno > next.commit || writes.has(pgno));
}

/** With another page size everything old is journaled, everything new is written. */
function replaceRun(disk: FollowDisk, { first, count }: Run, { old, next, journal, writes }: Sides): void {
  const [hole, nextHole] = [lockPage(old.pageSize), lockPage(next.pageSize)];
  const before = readPages(disk, old.fd, old.pageSize, first, Math.min(count, old.pages - first + 1));
  journal.add(first, before, (pgno) => pgno !== hole);
  for (const pgno of numbers(first, Math.min(first + count - 1, next.commit), nextHole)) writes.add(pgno);
}

function readPages(disk: FollowDisk, fd: number, pageSize: number, first: number, count: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(0, count) * pageSize);
  if (bytes.length > 0) disk.read(fd, bytes, (first - 1) * pageSize);
  return bytes;
}
