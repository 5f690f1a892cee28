/** Walks the frames of a WAL file for as long as their salts and running checksum prove that they belong together. */

import { type ReadAt, viewOf } from '../../base/bytes.ts';
import { WALChecksum } from './checksum.ts';
import { decodeFrameHeader, FRAME_HEADER_SIZE, type FrameHeader, frameSize, isFrameBoundary } from './frame.ts';
import { FrameBuffer } from './frame-buffer.ts';
import { sameSalts, WAL_HEADER_SIZE, type WALHeader } from './header.ts';

/** Why a reader stopped. All are ordinary: bytes behind the valid part of a WAL mean nothing. */
export type WALEnd =
  /** The file ends at a frame boundary or inside a frame. */
  | 'end-of-file'
  /** A frame of another WAL generation: left behind by an in-place restart, or written by one that happened meanwhile. */
  | 'salt-mismatch'
  /** A frame that was not completely written, or was changed. */
  | 'checksum-mismatch'
  /** A frame for page 0. */
  | 'no-page';

/** Where a reader cannot begin. */
export type WALStartProblem =
  /** The offset lies before the first frame or between two frames. */
  | 'not-a-boundary'
  /** The file ends before the offset. */
  | 'previous-frame-missing'
  /** The frame before the offset belongs to another WAL generation. */
  | 'previous-frame-salts';

export type WALReaderStart =
  | { readonly ok: true; readonly reader: WALReader }
  | { readonly ok: false; readonly problem: WALStartProblem; readonly previous?: FrameHeader };

export interface WALFrame {
  readonly pgno: number;
  /** Database size in pages after the transaction; 0 unless the frame ends one. */
  readonly commit: number;
  /** File offset of the frame header. */
  readonly offset: number;
  /** The page; valid until the next call of `next`. */
  readonly page: Uint8Array;
}

/**
 * A reader whose first frame is at `offset` (default: the first one of the file).
 *
 * In the middle of a file the checksum continues from the frame before, whose salts must be the header's; its own checksum is taken on trust,
 * the caller has verified it when it read that frame.
 */
export function openWALReader(read: ReadAt, header: WALHeader, offset: number = WAL_HEADER_SIZE): WALReaderStart {
  const { pageSize } = header;
  if (!isFrameBoundary(pageSize, offset)) return { ok: false, problem: 'not-a-boundary' };
  const frames = new FrameBuffer(read, pageSize);
  const sum = new WALChecksum(header.bigEndian, header.checksum1, header.checksum2);
  if (offset > WAL_HEADER_SIZE) {
    const bytes = frames.at(offset - frameSize(pageSize));
    if (bytes === undefined) return { ok: false, problem: 'previous-frame-missing' };
    const previous = decodeFrameHeader(viewOf(bytes));
    if (!sameSalts(previous, header)) return { ok: false, problem: 'previous-frame-salts', previous };
    sum.reset(previous.checksum1, previous.checksum2);
  }
  return { ok: true, reader: new WALReader(frames, header, offset, sum) };
}

/** Made by openWALReader. */
export class WALReader {
  readonly header: WALHeader;
  readonly #frames: FrameBuffer;
  readonly #sum: WALChecksum;
  #offset: number;
  #end: WALEnd | undefined;
  #rejected: FrameHeader | undefined;

  constructor(frames: FrameBuffer, header: WALHeader, offset: number, sum: WALChecksum) {
    this.#frames = frames;
    this.header = header;
    this.#offset = offset;
    this.#sum = sum;
  }

  /** File offset behind the last verified frame. */
  get offset(): number {
    return this.#offset;
  }

  /** Why `next` returned undefined; undefined before that. */
  get end(): WALEnd | undefined {
    return this.#end;
  }

  /** The header of the frame that was refused, where one was. */
  get rejected(): FrameHeader | undefined {
    return this.#rejected;
  }

  /** The next verified frame, or undefined at the end of the valid part. */
  next(): WALFrame | undefined {
    if (this.#end !== undefined) return undefined;
    const bytes = this.#frames.at(this.#offset);
    if (bytes === undefined) return this.#stop('end-of-file');
    const frame = decodeFrameHeader(viewOf(bytes));
    if (!sameSalts(frame, this.header)) return this.#stop('salt-mismatch', frame);
    if (frame.pgno === 0) return this.#stop('no-page', frame);
    const page = bytes.subarray(FRAME_HEADER_SIZE);
    this.#sum.update(bytes.subarray(0, 8));
    this.#sum.update(page);
    if (!this.#sum.equals(frame.checksum1, frame.checksum2)) return this.#stop('checksum-mismatch', frame);
    const offset = this.#offset;
    this.#offset += bytes.length;
    return { pgno: frame.pgno, commit: frame.commit, offset, page };
  }

  #stop(end: WALEnd, rejected?: FrameHeader): undefined {
    this.#end = end;
    this.#rejected = rejected;
    return undefined;
  }
}
