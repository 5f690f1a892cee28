/** LZ4 blocks in plain TypeScript: the oracle of the kernel's, and what LZ4 frames are made of (docs/formats/ltx.md, Page frames). */

const MIN_MATCH = 4;
/** No match begins in the last 12 bytes … */
const LAST_MATCH = 12;
/** … or covers the last 5. */
const LAST_LITERALS = 5;
const MAX_OFFSET = 65535;

/** The block that holds `bytes` as one run of literals: 512 become 515, 4,096 become 4,114. */
export function storeBlock(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  putSequence(out, bytes, undefined);
  return Uint8Array.from(out);
}

interface Match {
  readonly offset: number;
  readonly length: number;
}

/** Compresses greedily: the latest earlier place with the same four bytes, extended as far as it goes. */
export function compressBlock(bytes: Uint8Array): Uint8Array {
  const out: number[] = [];
  const seen = new Map<number, number>();
  let anchor = 0;
  for (let at = 0; at + LAST_MATCH <= bytes.length; ) {
    const word = wordAt(bytes, at);
    const earlier = seen.get(word);
    seen.set(word, at);
    if (earlier === undefined || at - earlier > MAX_OFFSET) {
      at++;
      continue;
    }
    let length = MIN_MATCH;
    while (at + length < bytes.length - LAST_LITERALS && bytes[at + length] === bytes[earlier + length]) length++;
    putSequence(out, bytes.subarray(anchor, at), { offset: at - earlier, length });
    at += length;
    anchor = at;
  }
  putSequence(out, bytes.subarray(anchor), undefined);
  return Uint8Array.from(out);
}

function wordAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
}

function putSequence(out: number[], literals: Uint8Array, match: Match | undefined): void {
  const extra = match === undefined ? 0 : match.length - MIN_MATCH;
  out.push((Math.min(literals.length, 15) << 4) | Math.min(extra, 15));
  putLength(out, literals.length - 15);
  for (const byte of literals) out.push(byte);
  if (match === undefined) return;
  out.push(match.offset & 255, match.offset >> 8);
  putLength(out, extra - 15);
}

function putLength(out: number[], beyond: number): void {
  if (beyond < 0) return;
  let rest = beyond;
  for (; rest >= 255; rest -= 255) out.push(255);
  out.push(rest);
}

/**
 * Inflates the block `input` into `output` from offset `start` on; returns the bytes written, or −1 when the block is malformed or
 * `output` is too small. Matches may reach back into `output` before `start`, down to `history` (default `start`), as linked blocks
 * need. Never reads or writes outside the two arrays.
 */
export function decompressBlock(input: Uint8Array, output: Uint8Array, start = 0, history = start): number {
  let ip = 0;
  let op = start;
  while (ip < input.length) {
    const token = input[ip++] ?? 0;
    let literals = token >> 4;
    if (literals === 15) {
      for (let byte = 255; byte === 255; literals += byte) {
        const next = input[ip++];
        if (next === undefined) return -1;
        byte = next;
      }
    }
    if (literals > input.length - ip || literals > output.length - op) return -1;
    for (const end = ip + literals; ip < end; ) output[op++] = input[ip++] ?? 0;
    if (ip === input.length) return op - start;

    const low = input[ip++];
    const high = input[ip++];
    if (low === undefined || high === undefined) return -1;
    const offset = low | (high << 8);
    if (offset === 0 || offset > op - history) return -1;
    let length = token & 15;
    if (length === 15) {
      for (let byte = 255; byte === 255; length += byte) {
        const next = input[ip++];
        if (next === undefined) return -1;
        byte = next;
      }
    }
    length += MIN_MATCH;
    if (length > output.length - op) return -1;
    for (const end = op + length; op < end; op++) output[op] = output[op - offset] ?? 0;
  }
  return -1;
}
