/** Hosts one engine in a process that can be killed; driven by engine-process.ts. */

import { systemClock } from '../../../src/base/clock.ts';
import { errorToData } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import type { DatabaseEngine } from '../../../src/engine/database-engine.ts';
import { openDatabaseEngine } from '../../../src/engine/db/database.ts';
import type { DatabaseSettings } from '../../../src/engine/options.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';

export type EngineMessage =
  | { readonly open: DatabaseSettings }
  | { readonly id: number; readonly verb: keyof DatabaseEngine; readonly values: readonly unknown[] };

let engine: DatabaseEngine | undefined;

process.on('message', async (message: EngineMessage) => {
  if ('open' in message) {
    engine = openDatabaseEngine(message.open, {
      clock: systemClock,
      log: silentLogger,
      onEvent: (event) => process.send?.({ event }),
      floor: toTXID(0),
      socketPath: '/run/first.sock',
    });
    return;
  }
  try {
    const verb = engine?.[message.verb] as (...values: readonly unknown[]) => Promise<unknown>;
    process.send?.({ id: message.id, result: await verb.apply(engine, [...message.values]) });
  } catch (error) {
    process.send?.({ id: message.id, error: errorToData(error) });
  }
});
process.on('disconnect', () => process.exit(0));
process.send?.({ ready: true });
