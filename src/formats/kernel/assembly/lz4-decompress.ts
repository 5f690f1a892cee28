// LZ4 block inflation of untrusted input: every length is held against both input and output before it is used.

const MIN_MATCH: usize = 4;
const FAILED: i32 = -1;
/** How much of the output must lie behind a match for it to be copied 16 bytes at a time without regard to its end. */
const SLACK: usize = 16;
/** Offsets below are slow to read back; matches from this length on, less MIN_MATCH, are worth the care that `copyExactly` takes. */
const NEAR: usize = 128;
const LONG: usize = 192;
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

/** The `offset` < 16 bytes before `target` over and over. Reads 16 bytes from there. */
// @ts-ignore: decorator
@inline
function patternBefore(target: usize, offset: usize): v128 {
  return i8x16.swizzle(v128.load(target - offset), v128.load(PATTERNS + (offset << 4)));
}

/** Writes the first `count` < 16 bytes of `bytes`. */
// @ts-ignore: decorator
@inline
function storePart(target: usize, bytes: v128, count: usize): void {
  let rest = i64x2.extract_lane(bytes, 0);
  if (count & 8) {
    store<u64>(target, rest);
    target += 8;
    rest = i64x2.extract_lane(bytes, 1);
  }
  if (count & 4) {
    store<u32>(target, <u32>rest);
    target += 4;
    rest >>= 32;
  }
  if (count & 2) {
    store<u16>(target, <u16>rest);
    target += 2;
    rest >>= 16;
  }
  if (count & 1) store<u8>(target, <u8>rest);
}

/** Copies a match whose range may overlap itself, writing exactly up to `end` and reading nothing from `limit` on. */
function copyExactly(target: usize, offset: usize, end: usize, limit: usize): void {
  if (offset >= 16) {
    // Reading back what has only just been written stalls. Two offsets back stand the same bytes: go there as soon as there are that many.
    while (offset < NEAR && end - target >= offset + 16) {
      const stop = target + offset;
      for (let at = target; at < stop; at += 16) v128.store(at, v128.load(at - offset));
      target = stop;
      offset <<= 1;
    }
    for (; end - target >= 16; target += 16) v128.store(target, v128.load(target - offset));
    storePart(target, v128.load(target - offset), end - target);
  } else if (limit - target + offset >= 16) {
    const pattern = patternBefore(target, offset);
    const step = <usize>load<u8>(STEPS + offset);
    for (; end - target >= 16; target += step) v128.store(target, pattern);
    storePart(target, pattern, end - target);
  } else {
    for (; target < end; target++) store<u8>(target, load<u8>(target - offset));
  }
}

/** Repeats the `offset` < 16 bytes before `target` up to `end`; SLACK bytes behind `end` belong to the output. */
// @ts-ignore: decorator
@inline
function repeat(target: usize, offset: usize, end: usize): void {
  const pattern = patternBefore(target, offset);
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
    let slack = SLACK;
    if (match == 15) {
      match = extended(ip, end, limit - op);
      if (lengthEnd == 0) return FAILED;
      ip = lengthEnd;
      if (match >= LONG) slack = usize.MAX_VALUE;
    }
    match += MIN_MATCH;
    const room = limit - op;
    if (match > room) return FAILED;
    if (room - match < slack) {
      copyExactly(op, offset, op + match, limit);
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
