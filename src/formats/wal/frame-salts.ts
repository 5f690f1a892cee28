/** Which WAL generations the frames of a file belong to, without verifying them. */

import { type ReadAt, viewOf } from '../../base/bytes.ts';
import { decodeFrameHeader, frameSize } from './frame.ts';
import { FrameBuffer } from './frame-buffer.ts';
import { sameSalts, WAL_HEADER_SIZE } from './header.ts';

/** Neighbouring frames with equal salts. */
export interface SaltRun {
  readonly salt1: number;
  readonly salt2: number;
  /** File offset of the first frame, and behind the last one. */
  readonly start: number;
  readonly end: number;
}

/** The runs of equal salts from `from` on, whole frames only, up to file offset `to` (default: the end of the file). */
export function* readSaltRuns(
  read: ReadAt,
  pageSize: number,
  from: number = WAL_HEADER_SIZE,
  to: number = Number.POSITIVE_INFINITY,
): Generator<SaltRun, void, void> {
  const frames = new FrameBuffer(read, pageSize);
  const size = frameSize(pageSize);
  let run: SaltRun | undefined;
  for (let offset = from; offset + size <= to; offset += size) {
    const bytes = frames.at(offset);
    if (bytes === undefined) break;
    const { salt1, salt2 } = decodeFrameHeader(viewOf(bytes));
    if (run !== undefined && sameSalts(run, { salt1, salt2 })) run = { ...run, end: offset + size };
    else {
      if (run !== undefined) yield run;
      run = { salt1, salt2, start: offset, end: offset + size };
    }
  }
  if (run !== undefined) yield run;
}
