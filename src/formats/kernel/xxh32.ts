/** XXH32, the checksum inside LZ4 frames, as a running sum over any number of pieces. */

const PRIME1 = 0x9e3779b1;
const PRIME2 = 0x85ebca77;
const PRIME3 = 0xc2b2ae3d;
const PRIME4 = 0x27d4eb2f;
const PRIME5 = 0x165667b1;
const STRIPE = 16;

const rotate = (value: number, bits: number): number => (value << bits) | (value >>> (32 - bits));
const round = (lane: number, word: number): number => Math.imul(rotate((lane + Math.imul(word, PRIME2)) | 0, 13), PRIME1);

/** XXH32 with seed 0. */
export class Xxh32 {
  #a = (PRIME1 + PRIME2) | 0;
  #b = PRIME2 | 0;
  #c = 0;
  #d = -PRIME1 | 0;
  #total = 0;
  readonly #rest = new Uint8Array(STRIPE);
  #restLength = 0;

  /** Takes `bytes` in; nothing of them is kept by reference. */
  update(bytes: Uint8Array): this {
    let at = 0;
    this.#total += bytes.length;
    if (this.#restLength > 0) {
      at = Math.min(STRIPE - this.#restLength, bytes.length);
      this.#rest.set(bytes.subarray(0, at), this.#restLength);
      this.#restLength += at;
      if (this.#restLength < STRIPE) return this;
      this.#stripes(this.#rest, 0, STRIPE);
      this.#restLength = 0;
    }
    const end = at + Math.floor((bytes.length - at) / STRIPE) * STRIPE;
    this.#stripes(bytes, at, end);
    this.#rest.set(bytes.subarray(end));
    this.#restLength = bytes.length - end;
    return this;
  }

  /** The sum of all bytes so far, 0 to 2^32 − 1; more may follow. */
  digest(): number {
    let sum = this.#total < STRIPE ? PRIME5 : (rotate(this.#a, 1) + rotate(this.#b, 7) + rotate(this.#c, 12) + rotate(this.#d, 18)) | 0;
    sum = (sum + this.#total) | 0;
    const view = new DataView(this.#rest.buffer);
    let at = 0;
    for (; at + 4 <= this.#restLength; at += 4)
      sum = Math.imul(rotate((sum + Math.imul(view.getUint32(at, true), PRIME3)) | 0, 17), PRIME4);
    for (; at < this.#restLength; at++) sum = Math.imul(rotate((sum + Math.imul(view.getUint8(at), PRIME5)) | 0, 11), PRIME1);
    sum = Math.imul(sum ^ (sum >>> 15), PRIME2);
    sum = Math.imul(sum ^ (sum >>> 13), PRIME3);
    return (sum ^ (sum >>> 16)) >>> 0;
  }

  #stripes(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let [a, b, c, d] = [this.#a, this.#b, this.#c, this.#d];
    for (let at = start; at < end; at += STRIPE) {
      a = round(a, view.getInt32(at, true));
      b = round(b, view.getInt32(at + 4, true));
      c = round(c, view.getInt32(at + 8, true));
      d = round(d, view.getInt32(at + 12, true));
    }
    this.#a = a;
    this.#b = b;
    this.#c = c;
    this.#d = d;
  }
}

/** XXH32 of `bytes` with seed 0. */
export const xxh32 = (bytes: Uint8Array): number => new Xxh32().update(bytes).digest();
