/** Whole frames of a WAL file, read in large pieces so that a scan costs few system calls. */

import { type ReadAt, readFully } from '../../base/bytes.ts';
import { frameSize } from './frame.ts';

/** Bytes read at once, rounded down to whole frames but at least one. */
const READ_SIZE = 512 * 1024;

export class FrameBuffer {
  readonly #read: ReadAt;
  readonly #frameSize: number;
  #bytes: Uint8Array;
  #start = 0;
  #length = 0;

  constructor(read: ReadAt, pageSize: number) {
    this.#read = read;
    this.#frameSize = frameSize(pageSize);
    this.#bytes = new Uint8Array(this.#frameSize);
  }

  /** The frame at file offset `offset`, or undefined when the file ends before or inside it. Valid until the next call. */
  at(offset: number): Uint8Array | undefined {
    const inside = offset - this.#start;
    if (inside >= 0 && inside + this.#frameSize <= this.#length) return this.#bytes.subarray(inside, inside + this.#frameSize);
    // The first read is one frame (most scans find little), the following ones are large.
    if (this.#length > 0) this.#grow();
    this.#start = offset;
    this.#length = readFully(this.#read, offset, this.#bytes);
    return this.#length < this.#frameSize ? undefined : this.#bytes.subarray(0, this.#frameSize);
  }

  #grow(): void {
    const wanted = Math.min(this.#bytes.length * 8, Math.max(1, Math.floor(READ_SIZE / this.#frameSize)) * this.#frameSize);
    if (wanted > this.#bytes.length) this.#bytes = new Uint8Array(wanted);
  }
}
