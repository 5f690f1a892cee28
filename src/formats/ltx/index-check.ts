/** Compares the page index of a file with the page frames before it, without keeping either (docs/formats/ltx.md, Page index). */

import type { Kernel } from '../kernel/kernel.ts';
import { PageIndexBuilder } from './page-index.ts';

/** Bytes of expected entries that wait before they are hashed. */
const HASH_BYTES = 32 * 1024;
const TERMINATOR = new Uint8Array(1);

export class IndexCheck {
  readonly #kernel: Kernel;
  readonly #expected = new PageIndexBuilder();
  #expectedCRC = 0n;
  #foundCRC = 0n;
  #size = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** A page frame was read: the index will have this entry. */
  addFrame(pgno: number, offset: number, length: number): void {
    this.#expected.add(pgno, offset, length);
    if (this.#expected.length >= HASH_BYTES) this.#hash(this.#expected.take());
  }

  /** No more page frames come. Returns the bytes that the entries and their terminator must have. */
  close(): number {
    this.#hash(this.#expected.take());
    this.#hash(TERMINATOR);
    return this.#size;
  }

  /** The next bytes of the index as the file has them, in kernel memory. */
  addFound(ptr: number, length: number): void {
    this.#foundCRC = this.#kernel.crc64(this.#foundCRC, ptr, length);
  }

  /** After as many found bytes as `close` said: they are the expected ones. */
  matches(): boolean {
    return this.#foundCRC === this.#expectedCRC;
  }

  #hash(bytes: Uint8Array): void {
    this.#expectedCRC = this.#kernel.crc64Bytes(this.#expectedCRC, bytes);
    this.#size += bytes.length;
  }
}
