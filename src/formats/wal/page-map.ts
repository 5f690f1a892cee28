/** Which frame of a WAL range holds the newest version of each page (docs/formats/wal.md, Page map). */

import { lockPage } from '../sqlite/page-size.ts';
import { FRAME_HEADER_SIZE } from './frame.ts';
import type { WALEnd, WALReader } from './reader.ts';

export interface PageMapOptions {
  /** Stop at the first commit at or after this many bytes of WAL. Default: no limit. */
  readonly softLimitBytes?: number;
  /** Ignore transactions that end behind this file offset. Default: no end. */
  readonly hardEnd?: number;
}

export interface PageMap {
  /** Page number → file offset of its newest bytes (the page itself, behind the frame header). In order of first appearance: sort before encoding. */
  readonly pages: ReadonlyMap<number, number>;
  /** Database size in pages after the last transaction; 0 when there was none. */
  readonly commit: number;
  /** File offset where the range began, and behind its last commit frame; equal when there was no transaction. */
  readonly start: number;
  readonly end: number;
  /** Frames in the range, counting overwritten ones. */
  readonly frames: number;
  readonly transactions: number;
  /** More transactions may follow: the soft limit or the hard end stopped the scan. */
  readonly limited: boolean;
  /** Why the reader stopped, unless the map is limited. */
  readonly walEnd: WALEnd | undefined;
}

/** Reads complete transactions from `reader`. A transaction without its commit frame is left for the next time. */
export function buildPageMap(reader: WALReader, options: PageMapOptions = {}): PageMap {
  const { softLimitBytes = Number.POSITIVE_INFINITY, hardEnd = Number.POSITIVE_INFINITY } = options;
  const start = reader.offset;
  const pages = new Map<number, number>();
  const pending = new Map<number, number>();
  let [commit, end, frames, transactions, pendingFrames] = [0, start, 0, 0, 0];
  let limited = false;
  while (true) {
    const frame = reader.next();
    if (frame === undefined) break;
    if (reader.offset > hardEnd) {
      limited = true;
      break;
    }
    pending.set(frame.pgno, frame.offset + FRAME_HEADER_SIZE);
    pendingFrames++;
    if (frame.commit === 0) continue;
    for (const [pgno, offset] of pending) pages.set(pgno, offset);
    pending.clear();
    [commit, end, frames, transactions, pendingFrames] = [frame.commit, reader.offset, frames + pendingFrames, transactions + 1, 0];
    if (end - start >= softLimitBytes) {
      limited = true;
      break;
    }
  }
  dropPagesBeyond(pages, commit, reader.header.pageSize);
  return { pages, commit, start, end, frames, transactions, limited, walEnd: reader.end };
}

/** A VACUUM inside the range leaves frames of pages that the final database no longer has. SQLite never fills the lock page. */
function dropPagesBeyond(pages: Map<number, number>, commit: number, pageSize: number): void {
  for (const pgno of pages.keys()) if (pgno > commit) pages.delete(pgno);
  pages.delete(lockPage(pageSize));
}
