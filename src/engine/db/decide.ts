/** The decision of each pass: continue, write everything, or do nothing. Pure; the rows are those of docs/engine.md, Where do we continue. */

import { frameSize } from '../../formats/wal/frame.ts';
import { sameSalts, WAL_HEADER_SIZE } from '../../formats/wal/header.ts';
import { type Cursor, cursorEnd } from './cursor.ts';

/** What was found where the captured range ends. */
export type LastFrame =
  /** The same bytes as when they were captured. */
  | 'intact'
  | 'changed'
  /** There is none to look at, or it was not looked at. */
  | 'unknown';

export interface DecisionInput {
  /** Newest level-0 file; undefined when there is none. */
  readonly cursor: Cursor | undefined;
  /** Why every page has to be written whatever the WAL says. */
  readonly demanded?: string | undefined;
  /** No pass of this opening has succeeded yet: nothing is known about what happened before. */
  readonly startup: boolean;
  /** All frames were captured and backfilled when our read transaction began: one restart may happen without us (docs/engine.md, Sealed state). */
  readonly sealed: boolean;
  /** Page size of the database now, bytes. */
  readonly pageSize: number;
  readonly wal: {
    /** Undefined when the file is missing or has no header. */
    readonly header: { readonly salt1: number; readonly salt2: number } | undefined;
    /** File offset behind the last committed frame; 32 when there is none. */
    readonly end: number;
    /** Bytes. */
    readonly fileSize: number;
  };
  readonly lastFrame: LastFrame;
}

export type Decision =
  | { readonly kind: 'none' }
  | { readonly kind: 'incremental'; readonly from: number }
  /** Always scans the WAL from its first frame. */
  | { readonly kind: 'full'; readonly from: typeof WAL_HEADER_SIZE; readonly reason: string };

const NONE: Decision = { kind: 'none' };
const full = (reason: string): Decision => ({ kind: 'full', from: WAL_HEADER_SIZE, reason });

export function decide(input: DecisionInput): Decision {
  const { cursor, demanded, pageSize, wal } = input;
  if (demanded !== undefined) return full(demanded);
  if (cursor === undefined) return full('first file');
  if (cursor.pageSize !== pageSize) return full(`page size changed from ${cursor.pageSize} to ${pageSize}`);
  // Files of a VFS or of a compaction know nothing about the WAL.
  if (cursor.walOffset < WAL_HEADER_SIZE) return full('newest local file has no WAL position');
  if ((cursorEnd(cursor) - WAL_HEADER_SIZE) % frameSize(pageSize) !== 0) return full('newest local file ends inside a WAL frame');
  if (wal.header === undefined) return withoutHeader(input);
  return sameSalts(wal.header, cursor) ? sameGeneration(input, cursor) : newGeneration(input);
}

function withoutHeader({ startup, sealed }: DecisionInput): Decision {
  if (startup) return full('WAL removed while not running');
  return sealed ? NONE : full('WAL truncated by another process');
}

function newGeneration({ startup, sealed, wal }: DecisionInput): Decision {
  // More than one restart may lie between, and what the ones between held is gone (docs/engine.md, Hazards, H1).
  if (startup) return full('WAL restarted while not running');
  if (!sealed) return full('WAL restarted by another process');
  return wal.end > WAL_HEADER_SIZE ? { kind: 'incremental', from: WAL_HEADER_SIZE } : NONE;
}

function sameGeneration({ startup, sealed, wal, lastFrame }: DecisionInput, cursor: Cursor): Decision {
  const end = cursorEnd(cursor);
  if (end > wal.fileSize) return full('WAL is shorter than what was captured');
  if (end > WAL_HEADER_SIZE) {
    if (lastFrame === 'changed') return full('captured WAL frame overwritten');
    if (startup && lastFrame !== 'intact') return full('captured WAL frame not verified');
  }
  // A restart that a writer has begun shows as an empty WAL behind the old header.
  if (end > wal.end) return sealed ? NONE : full('captured transaction is not part of the database');
  return wal.end > end ? { kind: 'incremental', from: end } : NONE;
}
