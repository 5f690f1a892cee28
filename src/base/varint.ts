/** Unsigned LEB128: 7 bits a byte, low group first, as Go's `encoding/binary` writes it. */

/** Longest varint accepted here: 8 bytes hold 56 bits, more than any safe integer. */
export const MAX_VARINT_SIZE = 8;

/** Writes `value` (a safe integer >= 0) at `offset` and returns the offset after it. The caller provides MAX_VARINT_SIZE bytes of room. */
export function putUvarint(into: Uint8Array, offset: number, value: number): number {
  let rest = value;
  let at = offset;
  while (rest >= 0x80) {
    into[at++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  into[at++] = rest;
  return at;
}

/** Reads varints one after the other. */
export class UvarintReader {
  readonly #bytes: Uint8Array;
  /** Offset of the next byte. */
  offset: number;

  constructor(bytes: Uint8Array, offset = 0) {
    this.#bytes = bytes;
    this.offset = offset;
  }

  /** The next value, or undefined where the bytes end inside it, it is not in shortest form, or it is no safe integer; `offset` then stays. */
  next(): number | undefined {
    let value = 0;
    let scale = 1;
    for (let at = this.offset; at < this.offset + MAX_VARINT_SIZE; at++) {
      const byte = this.#bytes[at];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * scale;
      scale *= 0x80;
      if (byte >= 0x80) continue;
      if ((byte === 0 && at > this.offset) || !Number.isSafeInteger(value)) return undefined;
      this.offset = at + 1;
      return value;
    }
    return undefined;
  }
}
