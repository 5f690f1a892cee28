/** Composition root of the thread that watches cold databases: it has the only watch on their directories, and keeps the flood of events away from the main loop. */

import { parentPort } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import { releaseWithOthers } from '../base/process-memory.ts';
import { ColdWatcher } from '../engine/cold/cold-watcher.ts';
import type { FromWatch, ToWatch } from './watch-protocol.ts';

const port = parentPort;
if (port === null) throw new LitestreamError('INTERNAL', 'the watch entry was started outside a worker thread');

releaseWithOthers();

const watcher = new ColdWatcher(systemClock);
const post = (message: FromWatch): void => port.postMessage(message);

port.on('message', async (message: ToWatch) => {
  const { name } = message;
  if (message.kind === 'disarm') return watcher.disarm(name);
  const { id, place } = message;
  const result = await watcher.arm(name, place, (by) => post({ kind: 'changed', id, name, by }));
  post({ kind: 'armed', id, name, result });
});
