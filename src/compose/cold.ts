/** What the daemon needs so that idle databases can be closed. Nothing is started or loaded before the first one is. */

import { randomBytes } from 'node:crypto';
import { systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { type ColdSupport, coldSupport } from '../service/cold/support.ts';
import type { Metrics } from '../service/metrics/metrics.ts';
import { WatchThread } from '../workers/watch-thread.ts';

export interface Cold {
  readonly support: ColdSupport;
  readonly sharedId: string;
  /** Only after every database was stopped. */
  close(): Promise<void>;
}

export function makeCold(log: Logger, metrics: Metrics): Cold {
  const sharedId = randomBytes(8).toString('hex');
  const watch = new WatchThread(log);
  const support = coldSupport({
    sharedId,
    clock: systemClock,
    log,
    watch,
    count: (path, what) => metrics.coldCount(path, what),
  });
  return {
    support,
    sharedId,
    close: async () => {
      support.locks.close();
      await watch.close();
    },
  };
}
