/** A running `replicate`: listeners, the set of databases and the private socket, brought up and down in order. */

import { dirname } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { processorMs, releaseEverywhere, residentBytes } from '../base/process-memory.ts';
import type { Daemon } from '../cli/door.ts';
import type { Settings } from '../config/settings.ts';
import { createLocalControl } from '../control/local-control.ts';
import type { WorldParts } from '../control/world.ts';
import { nodeDisk } from '../engine/restore/disk.ts';
import { sweepRestores } from '../engine/restore/restore.ts';
import { makeSocketPath } from '../http/socket-path.ts';
import { openReplica } from '../replica/open.ts';
import { WatchedDirectories } from '../service/directories/watched-directories.ts';
import { limited } from '../service/limited.ts';
import { maintainAll } from '../service/maintenance/maintain-all.ts';
import { Metrics } from '../service/metrics/metrics.ts';
import { ProofLedgers } from '../service/proof/ledger.ts';
import { QuietMemory } from '../service/quiet-memory.ts';
import { Replication } from '../service/replication.ts';
import type { RequestFacts } from '../service/requests/ledger.ts';
import { type StartCheck, StartChecks } from '../service/start-check/start-checks.ts';
import { VERSION } from '../version.ts';
import { EnginePool } from '../workers/engine-pool.ts';
import { makeCold } from './cold.ts';
import { openListeners } from './listeners.ts';
import { withLostMembers } from './lost-members.ts';
import { replicationOptions } from './replication-options.ts';
import { countRequests } from './requests.ts';
import { worldFrom } from './world.ts';

/** How long start-up waits for databases to say whether they can be replicated, ms. */
const SETTLE_PATIENCE = 5000;

/** How long a part may take to close, ms. */
const CLOSE_PATIENCE = 5000;

/** Something to undo, newest first. */
type Undo = () => Promise<unknown>;

/** Resolves when everything listens and every database has said whether it can be replicated. On failure nothing is left running. */
export async function startDaemon(settings: Settings, log: Logger, signal: AbortSignal): Promise<Daemon> {
  const undo: Undo[] = [];
  try {
    return await bringUp(settings, log, signal, undo);
  } catch (error) {
    for (const step of undo.reverse()) await step().catch(() => {}); // the first error is the one that counts
    throw error;
  }
}

async function bringUp(settings: Settings, log: Logger, signal: AbortSignal, undo: Undo[]): Promise<Daemon> {
  sweepInterruptedRestores(settings, log);
  const metrics = new Metrics(VERSION);
  const pool = new EnginePool(log);
  undo.push(() => pool.close());
  const cold = makeCold(log, metrics);
  undo.push(() => cold.close());
  const socketPath = makeSocketPath();
  const proofs = new ProofLedgers(systemClock, log, VERSION);
  const requests = countRequests(metrics);
  const replication = await Replication.create(
    await withLostMembers(settings, log),
    replicationOptions({ settings, log, metrics, pool, socketPath, proofs, cold, requests }),
  );
  const now = AbortSignal.abort(new LitestreamError('CANCELLED', 'start-up was interrupted'));
  undo.push(() => replication.stop({ deadlineMs: 0, retryMs: 0, signal: now }));
  const checks = new StartChecks(replication.databases, replication.entries, { clock: systemClock, log });
  const observations: WorldParts['observations'] = (db, replica) => observed(requests.book.of(db, replica), checks.of(db, replica));
  const running = {
    proofs,
    observations,
    runJob: requests.runJob,
    openReplica: ({ store }, options) => openReplica(store, { log, ...requests.book.countingAt(store), ...options }),
  } satisfies Partial<WorldParts>;
  const control = createLocalControl(worldFrom(settings, log, replication, true, running));
  undo.push(() => control.close());

  // Listeners first: a taken port is found before anything is opened.
  const listeners = await openListeners({ settings, log, metrics, control, replication, socketPath }, (one) =>
    undo.push(() => one.close()),
  );

  const { timeoutMs, intervalMs } = settings.shutdown;
  const skip = new AbortController();
  const limits = { deadlineMs: timeoutMs, retryMs: intervalMs, signal: skip.signal };
  const directories = new WatchedDirectories(settings.directories, { clock: systemClock, log, service: replication, limits });
  undo.push(async () => directories.stop());
  replication.watched = () => directories.status();

  if (settings.strict) await checks.requireAll(signal);
  replication.start();
  await replication.settle(SETTLE_PATIENCE, signal);
  directories.start();
  const looking = new AbortController();
  const looked = checks.run(looking.signal);
  const memory = new QuietMemory(systemClock, { resident: residentBytes, processorMs, release: releaseEverywhere });
  memory.start();

  let stopping: ReturnType<Daemon['stop']> | undefined;
  const stop = async () => {
    // No door that fails to close, or takes its time, may come between the last commits and the replica.
    const doors = close(log, listeners.public);
    directories.stop();
    memory.stop();
    looking.abort(new LitestreamError('CANCELLED', 'the daemon stops'));
    await looked;
    const left = await replication.stop(limits);
    await doors;
    for (const part of [listeners.socket, control, pool, cold]) await close(log, [part]);
    return left;
  };
  return {
    control,
    addresses: listeners.addresses,
    maintain: (abort) => maintainAll(replication.databases, abort),
    stop: () => {
      if (stopping !== undefined) skip.abort(new LitestreamError('CANCELLED', 'the last upload was skipped'));
      stopping ??= stop();
      return stopping;
    },
  };
}

/** Closes all at once, for at most CLOSE_PATIENCE; what does not close ends with the process. */
async function close(log: Logger, parts: readonly { close(): Promise<unknown> }[]): Promise<void> {
  const closing = parts.map(async (part) => {
    try {
      await limited({ clock: systemClock, ms: CLOSE_PATIENCE, what: 'closing a part of the daemon' }, () => part.close());
    } catch (error) {
      log.log('warn', 'stopping was not clean', { error: errorToData(error) });
    }
  });
  await Promise.all(closing);
}

/** A forced restore that was cut between moving the old file away and linking the new one is undone before anyone opens the database. */
function sweepInterruptedRestores({ databases, directories }: Settings, log: Logger): void {
  const places = [...databases.map(({ settings }) => dirname(settings.path)), ...directories.map(({ dir }) => dir)];
  for (const directory of new Set(places)) {
    try {
      sweepRestores(nodeDisk, directory);
    } catch (error) {
      log.log('warn', 'leftovers of an interrupted restore could not be removed', { directory, error: errorToData(error) });
    }
  }
}

const observed = (requests: RequestFacts | undefined, check: StartCheck | undefined) => ({
  ...(requests === undefined ? {} : { requests }),
  ...(check === undefined ? {} : { check }),
});
