// The ordinary LZ4 frame of a page (docs/formats/ltx.md, Page frames): one block, content checksum, nothing else. Whatever is different in any way is left to
// the TypeScript reader, which knows all frames and says what is wrong with a bad one.

import { decompress } from './lz4-decompress';

const MAGIC: u32 = 0x184d2204;
/** FLG, BD, HC of frames with independent blocks and content checksum, for each of the four block sizes. */
const DESCRIPTOR_64K: u32 = 0xa74064;
const DESCRIPTOR_256K: u32 = 0x085064;
const DESCRIPTOR_1M: u32 = 0x856064;
const DESCRIPTOR_4M: u32 = 0xb97064;
/** Magic, descriptor and block size; end mark and checksum. */
const BEFORE: usize = 11;
const BEHIND: usize = 8;
const STORED: u32 = 0x80000000;

const PRIME1: u32 = 0x9e3779b1;
const PRIME2: u32 = 0x85ebca77;
const PRIME3: u32 = 0xc2b2ae3d;

// @ts-ignore: decorator
@inline
function round(lane: u32, ptr: usize): u32 {
  return rotl<u32>(lane + load<u32>(ptr) * PRIME2, 13) * PRIME1;
}

/** XXH32 with seed 0 over a page: the length is a multiple of 16. */
function pageXxh32(ptr: usize, length: usize): u32 {
  let a: u32 = PRIME1 + PRIME2;
  let b: u32 = PRIME2;
  let c: u32 = 0;
  let d: u32 = 0 - PRIME1;
  for (const end = ptr + length; ptr < end; ptr += 16) {
    a = round(a, ptr);
    b = round(b, ptr + 4);
    c = round(c, ptr + 8);
    d = round(d, ptr + 12);
  }
  let sum: u32 = rotl<u32>(a, 1) + rotl<u32>(b, 7) + rotl<u32>(c, 12) + rotl<u32>(d, 18) + <u32>length;
  sum = (sum ^ (sum >> 15)) * PRIME2;
  sum = (sum ^ (sum >> 13)) * PRIME3;
  return sum ^ (sum >> 16);
}

/** Inflates the frame at `ip` into exactly one page; returns the frame's length, or 0 when it is not ordinary, not sound or not wholly there. */
export function inflateFrame(ip: usize, limit: usize, page: usize, pageSize: usize): usize {
  if (limit - ip < BEFORE + BEHIND || load<u32>(ip) != MAGIC) return 0;
  const descriptor = load<u32>(ip, 3) >> 8;
  if (
    descriptor != DESCRIPTOR_64K &&
    descriptor != DESCRIPTOR_256K &&
    descriptor != DESCRIPTOR_1M &&
    descriptor != DESCRIPTOR_4M
  ) {
    return 0;
  }
  const word = load<u32>(ip, 7);
  const size = <usize>(word & ~STORED);
  const block = ip + BEFORE;
  if (size == 0 || size > limit - block - BEHIND) return 0;
  if (word & STORED) {
    if (size != pageSize) return 0;
    memory.copy(page, block, size);
  } else if (decompress(block, size, page, pageSize) < 0) {
    return 0;
  }
  const behind = block + size;
  if (load<u32>(behind) != 0 || load<u32>(behind, 4) != pageXxh32(page, pageSize)) return 0;
  return BEFORE + size + BEHIND;
}
