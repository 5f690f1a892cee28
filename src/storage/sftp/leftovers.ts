/** Unfinished files that are in nobody's way but take room: removed beside the work, and later when the connection is lost. */

import { statusOf } from './errors.ts';
import type { Session } from './session.ts';

/** Names remembered for later; more are left to the sweep of the next day. */
const MOST = 256;

/** Longest wait at the end, ms. */
const SETTLE_MS = 1000;

/** Every path here is unique to this process or a day old, so that removing it twice or late does no harm. */
export class Leftovers {
  readonly #running = new Set<Promise<void>>();
  #later: string[] = [];

  /** Removes a file, after `before`. Nobody waits, and no failure is reported. */
  add(session: Session, path: string, before: Promise<void> = Promise.resolve()): void {
    const work = this.#remove(session, path, before);
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  /** Tries again, with a session that lives, what failed with one that was lost. */
  retry(session: Session): void {
    const again = this.#later;
    this.#later = [];
    for (const path of again) this.add(session, path);
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

  async #remove(session: Session, path: string, before: Promise<void>): Promise<void> {
    try {
      await before;
      await session.unlink(path);
    } catch (error) {
      if (statusOf(error) === undefined && this.#later.length < MOST) this.#later.push(path);
    }
  }
}
