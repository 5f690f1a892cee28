/** Composition root of an engine thread: hosts the engines of its databases and answers their verbs. */

import { parentPort } from 'node:worker_threads';
import { systemClock } from '../base/clock.ts';
import { errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { releaseWithOthers } from '../base/process-memory.ts';
import type { DatabaseEngine } from '../engine/database-engine.ts';
import { openDatabaseEngine } from '../engine/db/database.ts';
import type { FromEngine, ToEngine } from './engine-protocol.ts';

const port = parentPort;
if (port === null) throw new LitestreamError('INTERNAL', 'the engine entry was started outside a worker thread');

releaseWithOthers();

const engines = new Map<string, DatabaseEngine>();
const post = (message: FromEngine): void => port.postMessage(message);

const logger = (fields: Readonly<Record<string, unknown>>): Logger => ({
  log: (level, message, more) => post({ kind: 'log', level, message, fields: { ...fields, ...more } }),
  with: (more) => logger({ ...fields, ...more }),
});

port.on('message', (message: ToEngine) => {
  if (message.kind === 'open') open(message);
  else void answer(message);
});

function open({ database, settings, facts }: Extract<ToEngine, { kind: 'open' }>): void {
  try {
    const engine = openDatabaseEngine(settings, {
      clock: systemClock,
      log: logger({ database }),
      onEvent: (event) => post({ kind: 'event', database, event }),
      floor: facts.floor,
      sharedId: facts.sharedId,
      ...(facts.socketPath === undefined ? {} : { socketPath: facts.socketPath }),
    });
    engines.set(database, engine);
  } catch (error) {
    // The thread has other databases, too.
    post({ kind: 'refused', database, error: errorToData(error) });
  }
}

async function answer(call: Extract<ToEngine, { kind: 'call' }>): Promise<void> {
  try {
    const engine = engines.get(call.database);
    if (engine === undefined) throw new LitestreamError('DB_NOT_OPEN', `database ${call.database} is not open in this engine thread`);
    const verb = engine[call.verb] as (...values: readonly unknown[]) => Promise<unknown>;
    const result = await verb.apply(engine, [...call.arguments]);
    if (call.verb === 'close' || (call.verb === 'closeIfIdle' && result !== undefined)) engines.delete(call.database);
    post({ kind: 'answer', id: call.id, result });
  } catch (error) {
    if (call.verb === 'close') engines.delete(call.database);
    post({ kind: 'failure', id: call.id, error: errorToData(error) });
  }
}
