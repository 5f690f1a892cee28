// LZ4 block compression, greedy, one probe per position, for inputs of up to 65,536 bytes.
//
// Positions fit a u16, so the match table is 8 KiB and cheap to clear for each page. End rules of the format: no match begins in the last
// 12 bytes or covers the last 5, and the last sequence is literals only. Copies are 16 bytes wide and may run past the output's end by less.

const HASH_BITS: u32 = 12;
const TABLE_BYTES: usize = 1 << (HASH_BITS + 1);
const TABLE: usize = memory.data(8192, 16);
const LAST_MATCH: usize = 12;
const LAST_LITERALS: usize = 5;
const MIN_MATCH: usize = 4;
/** One more byte is skipped per 2^6 misses in a row. */
const SKIP_SHIFT: u32 = 6;

// @ts-ignore: decorator
@inline
function slot(word: u32): usize {
  return TABLE + (<usize>((word * 2654435761) >> (32 - HASH_BITS)) << 1);
}

// @ts-ignore: decorator
@inline
function wideCopy(target: usize, source: usize, length: usize): void {
  const end = target + length;
  do {
    v128.store(target, v128.load(source));
    target += 16;
    source += 16;
  } while (target < end);
}

/** Writes what of a length is beyond its 15 in the token; returns the next output position. */
// @ts-ignore: decorator
@inline
function putLength(target: usize, rest: usize): usize {
  for (; rest >= 255; rest -= 255) store<u8>(target++, 255);
  store<u8>(target++, <u8>rest);
  return target;
}

/** How many bytes at `a` and `b` are equal, `a` staying below `limit`. */
// @ts-ignore: decorator
@inline
function equalBytes(a: usize, b: usize, limit: usize): usize {
  const start = a;
  // Long ones, such as a page of zeros, are compared 16 at a time once the first 8 are equal.
  if (a + 8 <= limit) {
    const difference = load<u64>(a) ^ load<u64>(b);
    if (difference != 0) return <usize>(ctz<u64>(difference) >> 3);
    a += 8;
    b += 8;
  }
  while (a + 16 <= limit && !v128.any_true(v128.xor(v128.load(a), v128.load(b)))) {
    a += 16;
    b += 16;
  }
  while (a + 8 <= limit) {
    const difference = load<u64>(a) ^ load<u64>(b);
    if (difference != 0) return a - start + <usize>(ctz<u64>(difference) >> 3);
    a += 8;
    b += 8;
  }
  while (a < limit && load<u8>(a) == load<u8>(b)) {
    a++;
    b++;
  }
  return a - start;
}

function lastLiterals(anchor: usize, end: usize, target: usize): usize {
  const length = end - anchor;
  if (length < 15) {
    store<u8>(target++, <u8>(length << 4));
  } else {
    store<u8>(target++, 0xf0);
    target = putLength(target, length - 15);
  }
  wideCopy(target, anchor, length);
  return target + length;
}

/** Returns the length of the block. */
export function compress(source: usize, length: usize, target: usize): usize {
  const end = source + length;
  if (length <= LAST_MATCH) return lastLiterals(source, end, target) - target;
  const lastStart = end - LAST_MATCH;
  const matchLimit = end - LAST_LITERALS;
  let anchor = source;
  let ip = source + 1;
  let op = target;
  memory.fill(TABLE, 0, TABLE_BYTES);
  while (true) {
    // Find a match: a wrong candidate, such as position 0 of a cleared slot, is unmasked by comparing the four bytes.
    let misses: u32 = 1 << SKIP_SHIFT;
    let word: u32;
    let candidate: usize;
    while (true) {
      if (ip > lastStart) return lastLiterals(anchor, end, op) - target;
      word = load<u32>(ip);
      const at = slot(word);
      candidate = source + <usize>load<u16>(at);
      store<u16>(at, <u16>(ip - source));
      if (load<u32>(candidate) == word) break;
      ip += misses++ >> SKIP_SHIFT;
    }
    while (ip > anchor && candidate > source && load<u8>(ip - 1) == load<u8>(candidate - 1)) {
      ip--;
      candidate--;
    }

    const literals = ip - anchor;
    const token = op++;
    if (literals < 15) {
      store<u8>(token, <u8>(literals << 4));
    } else {
      store<u8>(token, 0xf0);
      op = putLength(op, literals - 15);
    }
    wideCopy(op, anchor, literals);
    op += literals;

    store<u16>(op, <u16>(ip - candidate));
    op += 2;
    const extra = equalBytes(ip + MIN_MATCH, candidate + MIN_MATCH, matchLimit);
    ip += extra + MIN_MATCH;
    if (extra < 15) {
      store<u8>(token, load<u8>(token) | <u8>extra);
    } else {
      store<u8>(token, load<u8>(token) | 15);
      op = putLength(op, extra - 15);
    }
    anchor = ip;
    if (ip > lastStart) return lastLiterals(anchor, end, op) - target;
    store<u16>(slot(load<u32>(ip - 2)), <u16>(ip - 2 - source));
  }
}
