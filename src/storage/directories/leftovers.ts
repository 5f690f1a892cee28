/** Unfinished files on a server that are in nobody's way but take room: removed beside the work, and later when it cannot be reached. */

/** Names remembered for later; more are left to the sweep of the next day. */
const MOST = 256;

/** Longest wait at the end, ms. */
const SETTLE_MS = 1000;

/** Removes a path; false when it should be tried again later. */
export type RemoveLeftover = (path: string) => Promise<boolean>;

/** Every path here is unique to this process or a day old, so that removing it twice or late does no harm. */
export class Leftovers {
  readonly #running = new Set<Promise<void>>();
  #later: string[] = [];

  /** Removes a file, after `before`. Nobody waits, and no failure is reported. */
  add(path: string, remove: RemoveLeftover, before: Promise<unknown> = Promise.resolve()): void {
    const work = this.#remove(path, remove, before);
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  /** Tries again, where the server answers now, what could not be removed. */
  retry(remove: RemoveLeftover): void {
    const again = this.#later;
    this.#later = [];
    for (const path of again) this.add(path, remove);
  }

  /** Resolves when nothing is under way any more, or soon. */
  async settled(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, SETTLE_MS);
    });
    await Promise.race([Promise.all(this.#running), limit]);
    clearTimeout(timer);
  }

  async #remove(path: string, remove: RemoveLeftover, before: Promise<unknown>): Promise<void> {
    let isDone = false;
    try {
      await before;
      isDone = await remove(path);
    } catch {
      // what was before it has failed with the connection: try again
    }
    if (!isDone && this.#later.length < MOST) this.#later.push(path);
  }
}
