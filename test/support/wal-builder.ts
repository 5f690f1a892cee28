/** Writes WAL files as SQLite does, byte by byte and without the product's code, so that the reader has something to be measured with. */

import type { ReadAt } from '../../src/base/bytes.ts';

export interface WALBuilderOptions {
  readonly pageSize: number;
  readonly bigEndian?: boolean;
  readonly salt1?: number;
  readonly salt2?: number;
  readonly sequence?: number;
}

export class WALBuilder {
  readonly pageSize: number;
  readonly bigEndian: boolean;
  salt1: number;
  salt2: number;
  #file: Buffer;
  /** Where the next frame goes. */
  offset = 32;
  #s1 = 0;
  #s2 = 0;

  constructor(options: WALBuilderOptions) {
    this.pageSize = options.pageSize;
    this.bigEndian = options.bigEndian ?? false;
    this.salt1 = options.salt1 ?? 0x1000_0000;
    this.salt2 = options.salt2 ?? 0xfedc_ba98;
    this.#file = Buffer.alloc(32);
    this.#writeHeader(options.sequence ?? 0);
  }

  /** Adds a frame; `commit` > 0 ends a transaction. Returns its file offset. */
  frame(pgno: number, page: Uint8Array, commit = 0): number {
    const frame = Buffer.alloc(24 + this.pageSize);
    frame.writeUInt32BE(pgno, 0);
    frame.writeUInt32BE(commit, 4);
    frame.writeUInt32BE(this.salt1, 8);
    frame.writeUInt32BE(this.salt2, 12);
    frame.set(page, 24);
    this.#sum(frame.subarray(0, 8));
    this.#sum(frame.subarray(24));
    frame.writeUInt32BE(this.#s1, 16);
    frame.writeUInt32BE(this.#s2, 20);
    const at = this.offset;
    this.offset += frame.length;
    if (this.#file.length < this.offset) this.#file = Buffer.concat([this.#file], this.offset);
    this.#file.set(frame, at);
    return at;
  }

  /** What SQLite does when everything is checkpointed and nobody reads: new salts, writing begins at the front, old frames stay behind. */
  restart(salt2: number): void {
    this.salt1 = (this.salt1 + 1) >>> 0;
    this.salt2 = salt2;
    this.offset = 32;
    this.#writeHeader(1);
  }

  /** The file as it stands. */
  get bytes(): Buffer {
    return Buffer.from(this.#file);
  }

  #writeHeader(sequence: number): void {
    const header = this.#file.subarray(0, 32);
    header.writeUInt32BE(this.bigEndian ? 0x377f0683 : 0x377f0682, 0);
    header.writeUInt32BE(3007000, 4);
    header.writeUInt32BE(this.pageSize, 8);
    header.writeUInt32BE(sequence, 12);
    header.writeUInt32BE(this.salt1, 16);
    header.writeUInt32BE(this.salt2, 20);
    this.#s1 = 0;
    this.#s2 = 0;
    this.#sum(header.subarray(0, 24));
    header.writeUInt32BE(this.#s1, 24);
    header.writeUInt32BE(this.#s2, 28);
  }

  #sum(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 8) {
      this.#s1 = (this.#s1 + this.#word(bytes, at) + this.#s2) % 2 ** 32;
      this.#s2 = (this.#s2 + this.#word(bytes, at + 4) + this.#s1) % 2 ** 32;
    }
  }

  #word(bytes: Buffer, at: number): number {
    return this.bigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at);
  }
}

/** Reads from memory; `most` bytes at a time when given, as files sometimes do. */
export const readerOf =
  (file: Uint8Array, most = Number.POSITIVE_INFINITY): ReadAt =>
  (position, into) => {
    const part = file.subarray(position, position + Math.min(into.length, most));
    into.set(part);
    return part.length;
  };
