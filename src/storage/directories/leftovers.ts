/** Unfinished files on a server that are in nobody's way but take room: removed beside the work, and later when it cannot be reached. */

import { setTimeout as sleep } from 'node:timers/promises';

/** Names remembered for later; more are left to the sweep of the next day. */
const MOST = 256;

/** Longest wait at the end, ms. */
const SETTLE_MS = 1000;

/** Pauses before the removals of a file that may still appear, ms. */
const APPEARS_MS = [0, 100, 300, 1000, 3000];

/** How it went: nothing is to be done any more, there was no such file, or the server could not be asked. */
export type Removal = 'done' | 'missing' | 'failed';

export type RemoveLeftover = (path: string) => Promise<Removal>;

export interface LeftoverOptions {
  /** Comes before the removal. */
  readonly before?: Promise<unknown>;
  /**
   * The server may still be at work on what writes the file: that it is missing, or has been removed, is no proof. It is removed until it
   * was there and is no more, a few times; what comes after that is left to the sweep of the next day.
   */
  readonly mayAppear?: boolean;
}

interface Leftover {
  readonly path: string;
  readonly mayAppear: boolean;
}

/** Every path here is unique to this process or a day old, so that removing it twice or late does no harm. */
export class Leftovers {
  readonly #running = new Set<Promise<void>>();
  readonly #closing = new AbortController();
  #later: Leftover[] = [];

  /** Removes a file. Nobody waits, and no failure is reported. */
  add(path: string, remove: RemoveLeftover, { before = Promise.resolve(), mayAppear = false }: LeftoverOptions = {}): void {
    const work = this.#remove({ path, mayAppear }, remove, before);
    this.#running.add(work);
    void work.finally(() => this.#running.delete(work));
  }

  /** Tries again, where the server answers now, what could not be removed. */
  retry(remove: RemoveLeftover): void {
    const again = this.#later;
    this.#later = [];
    for (const { path, mayAppear } of again) this.add(path, remove, { mayAppear });
  }

  /** Resolves when nothing is under way any more, or soon; what is waiting then is given up. */
  async settled(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, SETTLE_MS);
    });
    await Promise.race([Promise.all(this.#running), limit]);
    clearTimeout(timer);
    this.#closing.abort();
  }

  async #remove(leftover: Leftover, remove: RemoveLeftover, before: Promise<unknown>): Promise<void> {
    let removal: Removal = 'failed';
    try {
      await before;
      removal = await (leftover.mayAppear ? this.#removeAppearing(leftover.path, remove) : remove(leftover.path));
    } catch {
      // what was before it has failed with the connection: try again
    }
    if (removal === 'failed' && this.#later.length < MOST) this.#later.push(leftover);
  }

  async #removeAppearing(path: string, remove: RemoveLeftover): Promise<Removal> {
    let removal: Removal = 'failed';
    let wasThere = false;
    for (const ms of APPEARS_MS) {
      if (ms > 0) await sleep(ms, undefined, { ref: false, signal: this.#closing.signal });
      removal = await remove(path).catch(() => 'failed');
      if (wasThere && removal === 'missing') break;
      wasThere ||= removal === 'done';
    }
    return removal;
  }
}
