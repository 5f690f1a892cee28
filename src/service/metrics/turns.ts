/** Long work in slices: one at a time whoever they belong to, and the loop goes round in between. */

export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when everybody who asked before has had a round of the loop; the next slice is what runs until something is waited for. */
  next(): Promise<void> {
    this.#last = this.#last.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.#last;
  }
}
