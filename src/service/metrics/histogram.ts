/** Observations of one database by size. */

export class Histogram {
  readonly #bounds: readonly number[];
  /** Of observations that are not above a bound and above the one before; the last one is for all greater ones. */
  readonly counts: number[];
  sum = 0;

  /** @param bounds ascending; whoever writes it knows them too. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const found = this.#bounds.findIndex((bound) => value <= bound);
    const at = found < 0 ? this.#bounds.length : found;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sum += value;
  }
}
