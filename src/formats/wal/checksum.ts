/** The running checksum of WAL headers and frames: two 32-bit sums over pairs of words (https://sqlite.org/fileformat2.html#checksum_algorithm). */

import { endianness } from 'node:os';

const NATIVE_IS_BIG = endianness() === 'BE';

/** Continues from one piece to the next, as frames do from the header on. */
export class WALChecksum {
  readonly #bigEndian: boolean;
  /** The two sums, as signed 32-bit integers while running. */
  #s1: number;
  #s2: number;

  /** `bigEndian` is how the words of the data are read (WALHeader.bigEndian); `s1` and `s2` are where to continue. */
  constructor(bigEndian: boolean, s1 = 0, s2 = 0) {
    this.#bigEndian = bigEndian;
    this.#s1 = s1 | 0;
    this.#s2 = s2 | 0;
  }

  /** First sum, unsigned. */
  get s1(): number {
    return this.#s1 >>> 0;
  }

  /** Second sum, unsigned. */
  get s2(): number {
    return this.#s2 >>> 0;
  }

  reset(s1: number, s2: number): void {
    this.#s1 = s1 | 0;
    this.#s2 = s2 | 0;
  }

  equals(s1: number, s2: number): boolean {
    return this.#s1 === (s1 | 0) && this.#s2 === (s2 | 0);
  }

  /** Adds `bytes`, whose length is a multiple of 8 (everything in a WAL is). */
  update(bytes: Uint8Array): void {
    if (bytes.length % 8 !== 0) throw new RangeError(`WAL checksums run over multiples of 8 bytes, not ${bytes.length}`);
    if (this.#bigEndian === NATIVE_IS_BIG && bytes.byteOffset % 4 === 0) this.#updateNative(bytes);
    else this.#updateView(bytes);
  }

  #updateNative(bytes: Uint8Array): void {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    // From a field the engine knows only "a number" and adds in floating point, five times as slowly; `| 0` here and after each addition keeps it to int32.
    let s1 = this.#s1 | 0;
    let s2 = this.#s2 | 0;
    for (let at = 0; at < words.length; at += 2) {
      s1 = (((s1 + (words[at] as number)) | 0) + s2) | 0;
      s2 = (((s2 + (words[at + 1] as number)) | 0) + s1) | 0;
    }
    this.#s1 = s1;
    this.#s2 = s2;
  }

  #updateView(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const little = !this.#bigEndian;
    let s1 = this.#s1 | 0;
    let s2 = this.#s2 | 0;
    for (let at = 0; at < bytes.length; at += 8) {
      s1 = (((s1 + view.getInt32(at, little)) | 0) + s2) | 0;
      s2 = (((s2 + view.getInt32(at + 4, little)) | 0) + s1) | 0;
    }
    this.#s1 = s1;
    this.#s2 = s2;
  }
}
