// CRC-64/ISO (reflected polynomial 0xD800000000000000, initial and final value all ones).
//
// Slicing by eight for short runs. For long ones the sparse fold: the polynomial is x^64 + x^4 + x^3 + x + 1 and squaring only doubles
// exponents, so x^512 = x^32 + x^24 + x^8 + 1: 64 bytes of state move 64 bytes forward by byte shifts and XOR alone.

const POLYNOMIAL: u64 = 0xd800000000000000;
/** Eight tables of 256 entries. */
const TABLES: usize = memory.data(8 * 2048, 16);
const STATE: usize = memory.data(64, 16);
/** Below this the fold's final 64 table bytes cost more than they save. */
const FOLD_FROM: usize = 256;

function buildTables(): void {
  for (let i: usize = 0; i < 256; i++) {
    let value = <u64>i;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >> 1) ^ POLYNOMIAL : value >> 1;
    store<u64>(TABLES + (i << 3), value);
  }
  for (let i: usize = 256; i < 2048; i++) {
    const before = load<u64>(TABLES + ((i - 256) << 3));
    store<u64>(TABLES + (i << 3), (before >> 8) ^ load<u64>(TABLES + (<usize>(before & 255) << 3)));
  }
}

buildTables();

// @ts-ignore: decorator
@inline
function entry(table: usize, byte: u64): u64 {
  return load<u64>(TABLES + (table << 11) + (<usize>(byte & 255) << 3));
}

// @ts-ignore: decorator
@inline
function eightBytes(state: u64, ptr: usize): u64 {
  const x = state ^ load<u64>(ptr);
  return (
    entry(7, x) ^
    entry(6, x >> 8) ^
    entry(5, x >> 16) ^
    entry(4, x >> 24) ^
    entry(3, x >> 32) ^
    entry(2, x >> 40) ^
    entry(1, x >> 48) ^
    entry(0, x >> 56)
  );
}

// @ts-ignore: decorator
@inline
function oneByte(state: u64, byte: u64): u64 {
  return (state >> 8) ^ entry(0, state ^ byte);
}

function tableUpdate(state: u64, ptr: usize, length: usize): u64 {
  const end = ptr + length;
  for (; ptr + 8 <= end; ptr += 8) state = eightBytes(state, ptr);
  for (; ptr < end; ptr++) state = oneByte(state, load<u8>(ptr));
  return state;
}

/** a, moved on by 64 bytes, where b are the 16 state bytes behind it: a ^ a[1…] ^ a[3…] ^ a[4…]. */
// @ts-ignore: decorator
@inline
function moved(a: v128, b: v128): v128 {
  const one = v128.shuffle<u8>(a, b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16);
  const three = v128.shuffle<u8>(a, b, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18);
  const four = v128.shuffle<u8>(a, b, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19);
  return v128.xor(v128.xor(a, one), v128.xor(three, four));
}

/** What the shifts push out at the front of the state comes back, reduced, into its last eight bytes. */
// @ts-ignore: decorator
@inline
function carried(first: v128): v128 {
  const w = i32x4.extract_lane(first, 0);
  const o = <u64>(<u32>(w ^ (w << 8) ^ (w << 24)));
  return i64x2.replace_lane(i64x2.splat(0), 1, o ^ (o << 8) ^ (o << 24) ^ (o << 32));
}

function foldUpdate(state: u64, ptr: usize, length: usize): u64 {
  const end = ptr + length;
  const zero = i64x2.splat(0);
  let s0 = v128.xor(v128.load(ptr), i64x2.replace_lane(zero, 0, state));
  let s1 = v128.load(ptr, 16);
  let s2 = v128.load(ptr, 32);
  let s3 = v128.load(ptr, 48);
  for (ptr += 64; ptr + 64 <= end; ptr += 64) {
    const carry = carried(s0);
    s0 = v128.xor(moved(s0, s1), v128.load(ptr));
    s1 = v128.xor(moved(s1, s2), v128.load(ptr, 16));
    s2 = v128.xor(moved(s2, s3), v128.load(ptr, 32));
    s3 = v128.xor(v128.xor(moved(s3, zero), carry), v128.load(ptr, 48));
  }
  v128.store(STATE, s0);
  v128.store(STATE, s1, 16);
  v128.store(STATE, s2, 32);
  v128.store(STATE, s3, 48);
  return tableUpdate(tableUpdate(0, STATE, 64), ptr, end - ptr);
}

/** Carries the inverted (raw) state on. */
export function update(state: u64, ptr: usize, length: usize): u64 {
  return length < FOLD_FROM ? tableUpdate(state, ptr, length) : foldUpdate(state, ptr, length);
}

/** Carries the raw state on over the ten bytes of a page frame header. */
// @ts-ignore: decorator
@inline
export function updateHeader(state: u64, ptr: usize): u64 {
  const eight = eightBytes(state, ptr);
  return oneByte(oneByte(eight, load<u8>(ptr, 8)), load<u8>(ptr, 9));
}

/** Bit 63 | CRC of the big-endian page number and the page. */
export function pageChecksum(pgno: u32, ptr: usize, length: usize): u64 {
  store<u32>(STATE, bswap<u32>(pgno));
  return ~update(tableUpdate(~(<u64>0), STATE, 4), ptr, length) | 0x8000000000000000;
}
