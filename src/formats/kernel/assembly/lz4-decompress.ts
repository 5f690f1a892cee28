// LZ4 block inflation of untrusted input: every length is held against both input and output before it is used.

const MIN_MATCH: usize = 4;
const FAILED: i32 = -1;
/** For each offset below 16: the byte choice that repeats it over 16 bytes, and how many of those are whole repetitions. */
const PATTERNS: usize = memory.data(256, 16);
const STEPS: usize = memory.data(16, 16);

function buildPatterns(): void {
  for (let offset: usize = 1; offset < 16; offset++) {
    for (let i: usize = 0; i < 16; i++) store<u8>(PATTERNS + (offset << 4) + i, <u8>(i % offset));
    store<u8>(STEPS + offset, <u8>(16 - (16 % offset)));
  }
}

buildPatterns();

/** Position behind a length's extra bytes, left by `extended`; 0 when they run over the input or the length over `most`. */
let lengthEnd: usize = 0;

/** Adds a length's extra bytes to 15. */
function extended(ip: usize, end: usize, most: usize): usize {
  let length: usize = 15;
  while (ip < end) {
    const byte = <usize>load<u8>(ip++);
    length += byte;
    if (length > most) break;
    if (byte != 255) {
      lengthEnd = ip;
      return length;
    }
  }
  lengthEnd = 0;
  return 0;
}

/** Copies a match whose range may overlap itself, writing exactly `length` bytes. */
function copyExactly(target: usize, offset: usize, length: usize): void {
  const end = target + length;
  if (offset >= 8) {
    for (; target + 8 <= end; target += 8) store<u64>(target, load<u64>(target - offset));
  }
  for (; target < end; target++) store<u8>(target, load<u8>(target - offset));
}

/** Repeats the `offset` < 16 bytes before `target` up to `end`; 32 bytes behind `end` belong to the output. */
// @ts-ignore: decorator
@inline
function repeat(target: usize, offset: usize, end: usize): void {
  const pattern = i8x16.swizzle(v128.load(target - offset), v128.load(PATTERNS + (offset << 4)));
  const step = <usize>load<u8>(STEPS + offset);
  do {
    v128.store(target, pattern);
    target += step;
  } while (target < end);
}

/** Inflates into exactly `targetLength` bytes and returns that, or -1. */
export function decompress(source: usize, length: usize, target: usize, targetLength: usize): i32 {
  const end = source + length;
  const limit = target + targetLength;
  let ip = source;
  let op = target;
  while (ip < end) {
    const token = <usize>load<u8>(ip++);

    let literals = token >> 4;
    if (literals != 15 && end - ip >= 18 && limit - op >= 16) {
      v128.store(op, v128.load(ip));
    } else {
      if (literals == 15) {
        literals = extended(ip, end, limit - op);
        if (lengthEnd == 0) return FAILED;
        ip = lengthEnd;
      }
      if (literals > end - ip || literals > limit - op) return FAILED;
      let done: usize = 0;
      if (end - ip >= literals + 16 && limit - op >= literals + 16) {
        for (; done < literals; done += 16) v128.store(op + done, v128.load(ip + done));
      } else {
        for (; done + 8 <= literals; done += 8) store<u64>(op + done, load<u64>(ip + done));
        for (; done < literals; done++) store<u8>(op + done, load<u8>(ip + done));
      }
    }
    ip += literals;
    op += literals;
    if (ip == end) return op == limit ? <i32>targetLength : FAILED;
    if (end - ip < 2) return FAILED;

    const offset = <usize>load<u16>(ip);
    ip += 2;
    if (offset == 0 || offset > op - target) return FAILED;
    let match = token & 15;
    if (match == 15) {
      match = extended(ip, end, limit - op);
      if (lengthEnd == 0) return FAILED;
      ip = lengthEnd;
    }
    match += MIN_MATCH;
    const room = limit - op;
    if (match > room) return FAILED;
    if (room < match + 32) {
      copyExactly(op, offset, match);
    } else if (offset >= 16) {
      let at = op;
      const stop = op + match;
      do {
        v128.store(at, v128.load(at - offset));
        at += 16;
      } while (at < stop);
    } else {
      repeat(op, offset, op + match);
    }
    op += match;
  }
  return FAILED;
}
