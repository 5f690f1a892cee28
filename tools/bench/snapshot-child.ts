/** Writes the first full file of a database, as an engine thread does, and tells how long it took: arguments are database and metadata directory. */

import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { openDatabaseEngine } from '../../src/engine/db/database.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { peakResidentBytes } from './proc.ts';

export interface SnapshotFacts {
  readonly durationMs: number;
  readonly peakResidentBytes: number;
}

const [path, metaPath] = process.argv.slice(2);
if (path === undefined || metaPath === undefined) throw new Error('usage: snapshot-child DATABASE METADATA');
const begun = performance.now();
const { promise: published, resolve } = Promise.withResolvers<number>();
const engine = openDatabaseEngine(
  {
    name: 'bench',
    path,
    metaPath,
    monitorIntervalMs: 1000,
    pollIntervalMs: 1000,
    checkpointIntervalMs: 0,
    minCheckpointPages: 500,
    truncatePages: Number.POSITIVE_INFINITY,
    busyTimeoutMs: 1000,
    maxSyncWALBytes: Number.POSITIVE_INFINITY,
    pageForm: 'block',
  },
  {
    clock: systemClock,
    log: silentLogger,
    onEvent: (event) => {
      if (event.type === 'synced') resolve(performance.now() - begun);
    },
    floor: toTXID(0),
  },
);
const durationMs = await published;
await engine.close();
const facts: SnapshotFacts = { durationMs, peakResidentBytes: peakResidentBytes('self') };
process.send?.(facts, undefined, {}, () => process.disconnect());
