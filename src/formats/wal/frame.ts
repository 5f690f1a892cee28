/** Where frames lie in a WAL file and what their headers say (https://sqlite.org/fileformat2.html#walformat). */

import { WAL_HEADER_SIZE } from './header.ts';

export const FRAME_HEADER_SIZE = 24;

/** Bytes of one frame: header and page. */
export const frameSize = (pageSize: number): number => FRAME_HEADER_SIZE + pageSize;

/** File offset of frame `index`, counted from 0. */
export const frameOffset = (pageSize: number, index: number): number => WAL_HEADER_SIZE + index * frameSize(pageSize);

/** True when `offset` is where a frame begins (or the WAL could end). */
export const isFrameBoundary = (pageSize: number, offset: number): boolean =>
  offset >= WAL_HEADER_SIZE && (offset - WAL_HEADER_SIZE) % frameSize(pageSize) === 0;

export interface FrameHeader {
  readonly pgno: number;
  /** Database size in pages after the transaction; 0 unless the frame ends one. */
  readonly commit: number;
  readonly salt1: number;
  readonly salt2: number;
  readonly checksum1: number;
  readonly checksum2: number;
}

/** Reads the 24 bytes of a frame header at `offset` of `view`; the caller has checked that they are there. Nothing is verified. */
export function decodeFrameHeader(view: DataView, offset = 0): FrameHeader {
  return {
    pgno: view.getUint32(offset),
    commit: view.getUint32(offset + 4),
    salt1: view.getUint32(offset + 8),
    salt2: view.getUint32(offset + 12),
    checksum1: view.getUint32(offset + 16),
    checksum2: view.getUint32(offset + 20),
  };
}
