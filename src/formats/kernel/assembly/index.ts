// What kernel.ts calls: single operations, and loops over many pages that fuse checksum, compression and framing.

import { pageChecksum as checksumOfPage, update, updateHeader } from './crc64';
import { compress as compressBlock } from './lz4-compress';
import { decompress as decompressBlock } from './lz4-decompress';
import { inflateFrame } from './lz4-frame';

const HEADER: usize = 10;
/** What of it a page in frame form has: no size field. */
const FRAME_FORM_HEADER: usize = 6;
const FLAG_BLOCK: u16 = 1;

// Statuses of decodeBatch, in the order of DECODE_STOPS in regions.ts.
const END_MARKER: u32 = 0;
const FRAME_FORM: u32 = 1;
const INCOMPLETE: u32 = 2;
const FULL: u32 = 3;
const BAD_PAGE_NUMBER: u32 = 4;
const BAD_FLAGS: u32 = 5;
const BAD_SIZE: u32 = 6;
const BAD_BLOCK: u32 = 7;

/** First byte that the module itself does not use. */
export const heapStart: usize = __heap_base;

/** Results of the last batch besides its return value. */
export let lastCrc: u64 = 0;
export let lastCount: u32 = 0;
export let lastConsumed: u32 = 0;

export function crc64(crc: u64, ptr: usize, length: usize): u64 {
  return ~update(~crc, ptr, length);
}

export function pageChecksum(pgno: u32, ptr: usize, length: usize): u64 {
  return checksumOfPage(pgno, ptr, length);
}

export function compress(source: usize, length: usize, target: usize): usize {
  return compressBlock(source, length, target);
}

export function decompress(source: usize, length: usize, target: usize, targetLength: usize): i32 {
  return decompressBlock(source, length, target, targetLength);
}

export function encodeBatch(crc: u64, pages: usize, pgnos: usize, count: u32, pageSize: usize, output: usize, frameLengths: usize): usize {
  let state = ~crc;
  let op = output;
  for (let i: usize = 0; i < <usize>count; i++) {
    const size = compressBlock(pages, pageSize, op + HEADER);
    store<u32>(op, bswap<u32>(load<u32>(pgnos + (i << 2))));
    store<u16>(op, bswap<u16>(FLAG_BLOCK), 4);
    store<u32>(op, bswap<u32>(<u32>size), 6);
    state = update(updateHeader(state, op), pages, pageSize);
    store<u32>(frameLengths + (i << 2), <u32>(HEADER + size));
    op += HEADER + size;
    pages += pageSize;
  }
  lastCrc = ~state;
  return op - output;
}

export function decodeBatch(
  crc: u64,
  input: usize,
  start: usize,
  end: usize,
  pageSize: usize,
  capacity: u32,
  pages: usize,
  pgnos: usize,
  frameOffsets: usize,
  frameLengths: usize,
): u32 {
  const limit = input + end;
  const sizeLimit = <u32>(pageSize + pageSize / 255 + 16);
  let ip = input + start;
  let state = ~crc;
  let count: u32 = 0;
  let status = INCOMPLETE;
  while (limit - ip >= 6) {
    const pgno = bswap<u32>(load<u32>(ip));
    const flags = bswap<u16>(load<u16>(ip, 4));
    if (pgno == 0) {
      status = flags == 0 ? END_MARKER : BAD_PAGE_NUMBER;
      break;
    }
    if (flags > FLAG_BLOCK) {
      status = BAD_FLAGS;
      break;
    }
    if (count == capacity) {
      status = FULL;
      break;
    }
    let length: usize;
    if (flags == FLAG_BLOCK) {
      if (limit - ip < HEADER) break;
      const size = bswap<u32>(load<u32>(ip, 6));
      if (size == 0 || size > sizeLimit) {
        status = BAD_SIZE;
        break;
      }
      if (limit - ip - HEADER < <usize>size) break;
      if (decompressBlock(ip + HEADER, size, pages, pageSize) < 0) {
        status = BAD_BLOCK;
        break;
      }
      state = updateHeader(state, ip);
      length = HEADER + size;
    } else {
      const size = inflateFrame(ip + FRAME_FORM_HEADER, limit, pages, pageSize);
      if (size == 0) {
        status = FRAME_FORM;
        break;
      }
      state = update(state, ip, FRAME_FORM_HEADER);
      length = FRAME_FORM_HEADER + size;
    }
    state = update(state, pages, pageSize);
    const at = <usize>count << 2;
    store<u32>(pgnos + at, pgno);
    store<u32>(frameOffsets + at, <u32>(ip - input));
    store<u32>(frameLengths + at, <u32>length);
    count++;
    pages += pageSize;
    ip += length;
  }
  lastCrc = ~state;
  lastCount = count;
  lastConsumed = <u32>(ip - input);
  return status;
}
