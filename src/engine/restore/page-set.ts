/** Which pages of a database are already there: one bit per page, so that memory stays below a thousandth of a percent of the database. */

/** Bytes of bits allocated at a time: the size is what an unverified header says, the pages are what really came. */
const CHUNK_BYTES = 65536;
const CHUNK_PAGES = CHUNK_BYTES * 8;

export class PageSet {
  readonly #chunks = new Map<number, Uint8Array>();
  /** Pages 1 … size. */
  readonly size: number;
  #count = 0;

  constructor(size: number) {
    this.size = size;
  }

  /** Number of pages in the set. */
  get count(): number {
    return this.#count;
  }

  /** `pgno` must lie within 1 … size. */
  has(pgno: number): boolean {
    const chunk = this.#chunks.get(Math.floor(pgno / CHUNK_PAGES));
    return chunk !== undefined && ((chunk[(pgno % CHUNK_PAGES) >>> 3] ?? 0) & (1 << (pgno & 7))) !== 0;
  }

  add(pgno: number): void {
    const chunk = this.#chunkOf(pgno);
    const at = (pgno % CHUNK_PAGES) >>> 3;
    const before = chunk[at] ?? 0;
    const after = before | (1 << (pgno & 7));
    if (after === before) return;
    chunk[at] = after;
    this.#count++;
  }

  /** Ascending; quick where the set is sparse. It must not change meanwhile. */
  *values(): Generator<number, void, undefined> {
    for (const [index, chunk] of [...this.#chunks].sort(([a], [b]) => a - b)) {
      for (let at = 0; at < CHUNK_BYTES; at++) {
        const bits = chunk[at] ?? 0;
        for (let bit = 0; bits >> bit !== 0; bit++) if ((bits >> bit) & 1) yield index * CHUNK_PAGES + at * 8 + bit;
      }
    }
  }

  /** The first page that is not in the set and not `except`; undefined when there is none. */
  firstMissing(except: number): number | undefined {
    for (let pgno = 1; pgno <= this.size; ) {
      if (pgno !== except && !this.has(pgno)) return pgno;
      pgno += pgno % 8 === 0 && this.#isFullByte(pgno) ? 8 : 1;
    }
    return undefined;
  }

  #isFullByte(pgno: number): boolean {
    return this.#chunks.get(Math.floor(pgno / CHUNK_PAGES))?.[(pgno % CHUNK_PAGES) >>> 3] === 0xff;
  }

  #chunkOf(pgno: number): Uint8Array {
    const index = Math.floor(pgno / CHUNK_PAGES);
    let chunk = this.#chunks.get(index);
    if (chunk === undefined) {
      chunk = new Uint8Array(CHUNK_BYTES);
      this.#chunks.set(index, chunk);
    }
    return chunk;
  }
}
