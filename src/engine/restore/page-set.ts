/** Which pages of a database are already there: one bit per page, so that memory stays below a thousandth of a percent of the database. */

export class PageSet {
  readonly #bits: Uint8Array;
  /** Pages 1 … size. */
  readonly size: number;
  #count = 0;

  constructor(size: number) {
    this.size = size;
    this.#bits = new Uint8Array(Math.ceil((size + 1) / 8));
  }

  /** Number of pages in the set. */
  get count(): number {
    return this.#count;
  }

  /** `pgno` must lie within 1 … size. */
  has(pgno: number): boolean {
    return ((this.#bits[pgno >>> 3] ?? 0) & (1 << (pgno & 7))) !== 0;
  }

  add(pgno: number): void {
    const at = pgno >>> 3;
    const before = this.#bits[at] ?? 0;
    const after = before | (1 << (pgno & 7));
    if (after === before) return;
    this.#bits[at] = after;
    this.#count++;
  }

  /** The first page that is not in the set and not `except`; undefined when there is none. */
  firstMissing(except: number): number | undefined {
    for (let at = 0; at < this.#bits.length; at++) {
      if (this.#bits[at] === 0xff) continue;
      for (let pgno = Math.max(1, at * 8); pgno < at * 8 + 8 && pgno <= this.size; pgno++) {
        if (pgno !== except && !this.has(pgno)) return pgno;
      }
    }
    return undefined;
  }
}
