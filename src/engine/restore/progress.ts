/** What a running restore says about itself, and how often. */

import type { Clock } from '../../base/clock.ts';

export interface RestoreProgress {
  /** Reading and writing pages, making them durable, checking the result. */
  readonly phase: 'fetch' | 'write' | 'check';
  readonly bytesRead: number;
  /** Bytes of all planned files. */
  readonly bytesTotal: number;
  readonly pagesWritten: number;
  /** 0 until the first header was read. */
  readonly pagesTotal: number;
}

export type OnRestoreProgress = (progress: RestoreProgress) => void;

const INTERVAL_MS = 250;

/** Passes on at most four reports a second and the first of each phase. */
export function throttleProgress(clock: Clock, report: OnRestoreProgress): OnRestoreProgress {
  let phase: RestoreProgress['phase'] | undefined;
  let next = -Infinity;
  return (progress) => {
    const now = clock.monotonic();
    if (progress.phase === phase && now < next) return;
    phase = progress.phase;
    next = now + INTERVAL_MS;
    report(progress);
  };
}
