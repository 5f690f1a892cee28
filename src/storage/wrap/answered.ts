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
export const answeredInProcess = (key: string): Answered => ({
  get isKnown() {
    return known.has(key);
  },
  note: () => known.add(key),
});

/** Known to its owner only. */
export function answeredHere(): Answered {
  let isKnown = false;
  return {
    get isKnown() {
      return isKnown;
    },
    note: () => {
      isKnown = true;
    },
  };
}
