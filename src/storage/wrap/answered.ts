/** Which destinations have answered anybody in this process, so that a thread which is only just beginning knows it too. */

import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';

/** Threads get a copy of what stands here when they begin. */
const NAME = 'litestream: destinations that have answered';

const known = knownAtStart();

function knownAtStart(): Set<string> {
  const given: unknown = getEnvironmentData(NAME);
  const set = new Set<string>(given instanceof Set ? given : []);
  setEnvironmentData(NAME, set);
  return set;
}

/** Whether one destination has ever answered. */
export interface Answered {
  readonly isKnown: boolean;
  note(): void;
}

/** @param key of the container, without anything secret; what is noted for it holds for the whole process from here on. */
export const answeredInProcess = (key: string): Answered => new InProcess(key);

/** Known to its owner only. */
export const answeredHere = (): Answered => new Here();

class InProcess implements Answered {
  readonly #key: string;

  constructor(key: string) {
    this.#key = key;
  }

  get isKnown(): boolean {
    return known.has(this.#key);
  }

  note(): void {
    known.add(this.#key);
  }
}

class Here implements Answered {
  #isKnown = false;

  get isKnown(): boolean {
    return this.#isKnown;
  }

  note(): void {
    this.#isKnown = true;
  }
}
