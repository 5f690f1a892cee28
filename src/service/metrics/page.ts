/** Text on its way out, written into one buffer that is used again for every part of it. */

/** Enough that few parts are sent, little enough that filling it takes a millisecond or two. */
const SIZE = 64 * 1024;
/** What one database has to say about one metric fits into the rest, or else the buffer grows. */
const FULL = SIZE - 4096;

export class Page {
  #bytes = Buffer.allocUnsafeSlow(SIZE);
  #length = 0;

  get isFull(): boolean {
    return this.#length >= FULL;
  }

  text(piece: string): void {
    // A unit of a string takes three bytes at most.
    const most = this.#length + 3 * piece.length;
    if (most > this.#bytes.length) this.#grow(2 * most);
    this.#length += this.#bytes.write(piece, this.#length);
  }

  /** What was written since the last call; it stands until more is written. */
  take(): Uint8Array {
    const written = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return written;
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafeSlow(size);
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}
