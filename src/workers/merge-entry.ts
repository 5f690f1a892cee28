/** Entry of a thread for merges and encryption: does what it is sent, one after the other, until it is ended. It loads nothing else, and no SQLite. */

import { parentPort } from 'node:worker_threads';
import { errorToData, LitestreamError } from '../base/errors.ts';
import { collectYoung, releaseWithOthers } from '../base/process-memory.ts';
import { mergeFiles } from '../engine/compaction/merge-job.ts';
import type { JobArguments } from '../engine/jobs.ts';
import { sealFile } from '../engine/upload/seal-job.ts';
import type { FromMerge, ToMerge } from './merge-threads.ts';

const port = parentPort;
if (port === null) throw new LitestreamError('INTERNAL', 'the merge entry was started outside a worker thread');

releaseWithOthers();

// Work is cancelled by ending its thread.
const signal = new AbortController().signal;

const work = ({ kind, args }: ToMerge) =>
  kind === 'merge' ? mergeFiles(args as JobArguments['merge'], { signal }) : sealFile(args as JobArguments['seal']);

port.on('message', (message: ToMerge) => {
  const post = (answer: FromMerge): void => {
    port.postMessage(answer);
    // This thread may wait for its next work for long.
    collectYoung();
  };
  work(message).then(
    (result) => post({ type: 'result', result }),
    (error: unknown) => post({ type: 'failure', error: errorToData(error) }),
  );
});
