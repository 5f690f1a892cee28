/** Entry of a merge thread: does the merges it is sent, one after the other, until it is ended. It loads nothing else, and no SQLite. */

import { parentPort } from 'node:worker_threads';
import { errorToData, LitestreamError } from '../base/errors.ts';
import { type MergeRequest, mergeFiles } from '../engine/compaction/merge-job.ts';
import type { FromMerge } from './merge-threads.ts';

const port = parentPort;
if (port === null) throw new LitestreamError('INTERNAL', 'the merge entry was started outside a worker thread');

// A merge is cancelled by ending its thread.
const signal = new AbortController().signal;

port.on('message', (request: MergeRequest) => {
  const post = (message: FromMerge): void => port.postMessage(message);
  mergeFiles(request, { signal }).then(
    (result) => post({ type: 'result', result }),
    (error: unknown) => post({ type: 'failure', error: errorToData(error) }),
  );
});
