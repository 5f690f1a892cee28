/**
 * One WAL of version 0.3, put together from its segments in a private file, verified frame by frame, and its pages put into the database.
 *
 * This is what SQLite's checkpoint does (the newest frame of each page up to the last commit, then the size of that commit), without a
 * connection: nothing can be busy, no side files appear, and a frame that fails is an error instead of the quiet end of the WAL.
 */

import { setImmediate as yieldToEvents } from 'node:timers/promises';
import type { ReadAt } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { segmentName } from '../../formats/v3/names.ts';
import { readWALHeader, WAL_HEADER_SIZE, type WALHeader } from '../../formats/wal/header.ts';
import { buildPageMap, type PageMap } from '../../formats/wal/page-map.ts';
import { openWALReader, type WALReader } from '../../formats/wal/reader.ts';
import type { LegacySegment } from '../../replica/legacy/listing.ts';
import { diskError, type RestoreDisk } from '../restore/disk.ts';
import { missingSegment } from './plan.ts';

/** WAL applied between two looks at the event loop, bytes; bounds the page map too, unless one transaction is longer. */
const STRETCH_BYTES = 16 * 1024 * 1024;

export interface WALStageOptions {
  readonly disk: RestoreDisk;
  /** The file the segments are put together in; nothing may exist there. */
  readonly path: string;
  readonly generation: string;
  readonly signal: AbortSignal;
  readonly read: (segment: LegacySegment) => AsyncIterable<Uint8Array>;
}

/** The database that the pages go into. */
export interface LegacyDatabase {
  readonly fd: number;
  /** Bytes; 0 until its first page is known. */
  pageSize: number;
  /** Bytes of the file. */
  size: number;
}

export class WALStage {
  readonly #options: WALStageOptions;
  readonly #fd: number;

  constructor(options: WALStageOptions) {
    this.#options = options;
    this.#fd = attempt('creating a file for WAL segments', () => options.disk.create(options.path));
  }

  /** Applies the segments of one index, which begin at offset 0. LEGACY_INVALID for a hole or for damage. */
  async apply(segments: readonly LegacySegment[], database: LegacyDatabase): Promise<void> {
    const size = await this.#fetch(segments);
    const read = this.#readerOf(size);
    const header = this.#header(read, segments);
    if (database.pageSize !== 0 && header.pageSize !== database.pageSize) {
      throw this.#damage(segments, 0, `its pages have ${header.pageSize} bytes, those of the database ${database.pageSize}`);
    }
    database.pageSize = header.pageSize;
    for (let offset = WAL_HEADER_SIZE; ; ) {
      const reader = this.#reader(read, header, offset, segments);
      const map = buildPageMap(reader, { softLimitBytes: STRETCH_BYTES });
      this.#applyPages(map, read, database);
      if (!map.limited) {
        this.#refuseBadEnd(reader, size, segments);
        return;
      }
      offset = map.end;
      await yieldToEvents();
      this.#options.signal.throwIfAborted();
    }
  }

  close(): void {
    this.#options.disk.close(this.#fd);
    this.#options.disk.unlink(this.#options.path);
  }

  /** Fetches the pieces one behind the other; returns the length of the WAL. Each must begin where the one before ended. */
  async #fetch(segments: readonly LegacySegment[]): Promise<number> {
    const { disk, read, generation } = this.#options;
    attempt('clearing the file for WAL segments', () => disk.truncate(this.#fd, 0));
    let size = 0;
    for (const segment of segments) {
      if (segment.offset > size) throw missingSegment(generation, { index: segment.index, offset: size }, segment);
      if (segment.offset < size) throw this.#damage([segment], segment.offset, `the piece before it reaches to ${size.toString(16)}`);
      for await (const piece of read(segment)) {
        attempt('writing WAL segments', () => disk.write(this.#fd, piece, size));
        size += piece.length;
      }
    }
    return size;
  }

  #readerOf(size: number): ReadAt {
    return (position, into) => {
      const count = Math.max(0, Math.min(into.length, size - position));
      if (count > 0) attempt('reading WAL segments', () => this.#options.disk.read(this.#fd, into.subarray(0, count), position));
      return count;
    };
  }

  #header(read: ReadAt, segments: readonly LegacySegment[]): WALHeader {
    try {
      const header = readWALHeader(read);
      if (header !== undefined) return header;
    } catch (error) {
      if (error instanceof LitestreamError) throw this.#damage(segments, 0, 'it does not begin with the header of a WAL', error);
      throw error;
    }
    throw this.#damage(segments, 0, 'it is shorter than the header of a WAL');
  }

  #reader(read: ReadAt, header: WALHeader, offset: number, segments: readonly LegacySegment[]): WALReader {
    const start = openWALReader(read, header, offset);
    if (start.ok) return start.reader;
    throw this.#damage(segments, offset, `its frames cannot be read on from there (${start.problem})`);
  }

  #applyPages({ pages, commit, start, end }: PageMap, read: ReadAt, database: LegacyDatabase): void {
    if (end === start) return;
    const { disk } = this.#options;
    const { fd, pageSize } = database;
    const page = new Uint8Array(pageSize);
    for (const [pgno, offset] of [...pages].sort(([a], [b]) => a - b)) {
      read(offset, page);
      attempt('writing the restored database', () => disk.write(fd, page, (pgno - 1) * pageSize));
    }
    database.size = commit * pageSize;
    attempt('giving the restored database its size', () => disk.truncate(fd, database.size));
  }

  /** Version 0.3 stored whole, verified frames only: anything else behind the last good one is damage. A transaction without its end is left out, as SQLite does. */
  #refuseBadEnd(reader: WALReader, size: number, segments: readonly LegacySegment[]): void {
    if (reader.end === 'end-of-file' && reader.offset === size) return;
    const what = reader.end === 'end-of-file' ? 'its last frame is cut' : `a frame does not belong there (${reader.end ?? 'unknown'})`;
    throw this.#damage(segments, reader.offset, what);
  }

  #damage(segments: readonly LegacySegment[], offset: number, what: string, cause?: unknown): LitestreamError {
    const segment = segments.findLast((candidate) => candidate.offset <= offset) ?? segments[0];
    const name = segment === undefined ? '' : segmentName(segment);
    return new LitestreamError(
      'LEGACY_INVALID',
      `restoring generation ${this.#options.generation}: WAL segment ${name} is damaged at offset ${offset.toString(16)}: ${what}`,
      {
        ...(cause === undefined ? {} : { cause }),
        details: { generation: this.#options.generation, segment: name },
        hint: 'Fetch the file again from another copy of the replica, or restore a moment before it with -timestamp.',
      },
    );
  }
}

function attempt<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskError(error, doing);
  }
}
