/** Entry of a job thread: runs the one job it was started with and reports. */

import { parentPort, workerData } from 'node:worker_threads';
import { errorToData, LitestreamError } from '../base/errors.ts';
import { runJobHere } from './job-kinds.ts';
import type { FromJob, JobStart, ToJob } from './job-protocol.ts';

const port = parentPort;
if (port === null) throw new LitestreamError('INTERNAL', 'the job entry was started outside a worker thread');

const abort = new AbortController();
const post = (message: FromJob): void => port.postMessage(message);

port.on('message', (message: ToJob) => {
  if (message.type === 'cancel') abort.abort();
});

const { kind, args } = workerData as JobStart;
try {
  const result = await runJobHere(kind, args, {
    signal: abort.signal,
    onProgress: (progress) => post({ type: 'progress', progress }),
    onNote: (note) => post({ type: 'note', note }),
    onRequests: (requests) => post({ type: 'requests', requests }),
  });
  post({ type: 'result', result });
} catch (error) {
  if (abort.signal.aborted && error === abort.signal.reason) post({ type: 'cancelled' });
  else post({ type: 'failure', error: errorToData(error) });
}
port.close();
