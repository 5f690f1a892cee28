/** Counts what a daemon asks of its destinations, in this thread and in those of its jobs. */

import { systemClock } from '../base/clock.ts';
import type { JobRequests } from '../engine/job-requests.ts';
import type { RunJob } from '../engine/jobs.ts';
import type { Metrics } from '../service/metrics/metrics.ts';
import { RequestBook } from '../service/requests/book.ts';
import { runJob } from '../workers/job-host.ts';

export interface CountedRequests {
  readonly book: RequestBook;
  readonly runJob: RunJob;
}

export function countRequests(metrics: Metrics): CountedRequests {
  const book = new RequestBook(systemClock, {
    called: (operation, of) => metrics.storeOperation(operation, of),
    retried: (type, operation) => metrics.storeRetried(type, operation),
    streams: (type, change) => metrics.storeStreams(type, change),
  });
  const onRequests = (requests: readonly JobRequests[]): void => {
    for (const one of requests) book.note(one);
  };
  return { book, runJob: (kind, args, options) => runJob(kind, args, { ...options, onRequests }) };
}
