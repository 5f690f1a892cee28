/** A running `replicate`: listeners, the set of databases and the private socket, brought up and down in order. */

import { dirname } from 'node:path';
import { systemClock } from '../base/clock.ts';
import { errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { heapUsed, processorMs, releaseMemory } from '../base/process-memory.ts';
import type { Daemon } from '../cli/door.ts';
import type { Settings } from '../config/settings.ts';
import type { Control } from '../control/control.ts';
import { createLocalControl } from '../control/local-control.ts';
import type { WorldParts } from '../control/world.ts';
import { nodeDisk } from '../engine/restore/disk.ts';
import { sweepRestores } from '../engine/restore/restore.ts';
import { startMetricsServer } from '../http/metrics-server.ts';
import { makeSocketPath } from '../http/socket-path.ts';
import { type SocketServer, serveSocket } from '../http/socket-server.ts';
import { Tokens } from '../mcp/tokens.ts';
import { openReplica } from '../replica/open.ts';
import { WatchedDirectories } from '../service/directories/watched-directories.ts';
import { checkHealth, isReady } from '../service/health.ts';
import { limited } from '../service/limited.ts';
import { maintainAll } from '../service/maintenance/maintain-all.ts';
import { Metrics } from '../service/metrics/metrics.ts';
import { proofCompanion } from '../service/proof/companion.ts';
import { ProofLedgers } from '../service/proof/ledger.ts';
import { QuietMemory } from '../service/quiet-memory.ts';
import { Replication } from '../service/replication.ts';
import type { RequestFacts } from '../service/requests/ledger.ts';
import { WheelScheduler } from '../service/schedule/wheel-scheduler.ts';
import { type StartCheck, StartChecks } from '../service/start-check/start-checks.ts';
import { VERSION } from '../version.ts';
import { EnginePool } from '../workers/engine-pool.ts';
import { announcedDirectories } from './announced.ts';
import { auditLogOf } from './audit-log.ts';
import { type Cold, makeCold } from './cold.ts';
import { COMPANIONS } from './companions.ts';
import { likeDatabase } from './file-modes.ts';
import { withLostMembers } from './lost-members.ts';
import { type CountedRequests, countRequests } from './requests.ts';
import { restoreMissing } from './restore-missing.ts';
import { sealingOf } from './sealing.ts';
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
    replicationOptions(settings, log, metrics, pool, socketPath, proofs, cold, requests),
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
  const metricsServer = await startMetrics(settings, metrics, replication);
  if (metricsServer !== undefined) undo.push(() => metricsServer.close());
  const mcp = await startMCP(settings, control, log, metrics);
  if (mcp !== undefined) undo.push(() => mcp.close());
  const socket = await startSocket(settings, socketPath, control, log, replication, undo);

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
  const memory = new QuietMemory(systemClock, { used: heapUsed, processorMs, release: releaseMemory });
  memory.start();

  let stopping: ReturnType<Daemon['stop']> | undefined;
  const stop = async () => {
    // No door that fails to close, or takes its time, may come between the last commits and the replica.
    const doors = close(log, [mcp, metricsServer]);
    directories.stop();
    memory.stop();
    looking.abort(new LitestreamError('CANCELLED', 'the daemon stops'));
    await looked;
    const left = await replication.stop(limits);
    await doors;
    for (const part of [socket, control, pool, cold]) await close(log, [part]);
    return left;
  };
  return {
    control,
    addresses: {
      socket: socketPath,
      ...(mcp === undefined ? {} : { mcp: new URL(mcp.address).host }),
      ...(metricsServer === undefined ? {} : { metrics: metricsServer.address }),
    },
    maintain: (abort) => maintainAll(replication.databases, abort),
    stop: () => {
      if (stopping !== undefined) skip.abort(new LitestreamError('CANCELLED', 'the last upload was skipped'));
      stopping ??= stop();
      return stopping;
    },
  };
}

/** Closes all at once, for at most CLOSE_PATIENCE; what does not close ends with the process. */
async function close(log: Logger, parts: readonly ({ close(): Promise<unknown> } | undefined)[]): Promise<void> {
  const closing = parts.map(async (part) => {
    try {
      await limited({ clock: systemClock, ms: CLOSE_PATIENCE, what: 'closing a part of the daemon' }, async () => part?.close());
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

function replicationOptions(
  settings: Settings,
  log: Logger,
  metrics: Metrics,
  pool: EnginePool,
  socketPath: string,
  proofs: ProofLedgers,
  cold: Cold,
  requests: CountedRequests,
): Parameters<typeof Replication.create>[1] {
  return {
    clock: systemClock,
    log,
    lagBudgetMs: settings.lagBudgetMs,
    openEngine: (database, { floor }, listener) => pool.pick().open(database, { floor, socketPath, sharedId: cold.sharedId }, listener),
    openReplica: ({ store, name }, { path, metaPath }) =>
      openReplica(likeDatabase(store, path), {
        log: log.with({ db: path, replica: name }),
        destinationLog: log,
        sealing: sealingOf({ name }, { metaPath }),
        ...requests.book.counting(path, name, store),
      }),
    restoreMissing: (entry, abort) => restoreMissing(entry, { log, requests, signal: abort }),
    onEngineEvent: (path, event) => metrics.engineEvent(path, event),
    onUploadFailed: (path, replica, code) => metrics.uploadFailed(path, replica, code),
    onRemoved: (path) => {
      requests.book.forget(path);
      metrics.databaseRemoved();
    },
    scheduler: new WheelScheduler(systemClock, log),
    runJob: requests.runJob,
    cold: cold.support,
    companions: [...COMPANIONS, proofCompanion(proofs)],
    onCount: (path, replica, what, amount) => metrics.count(path, replica, what, amount),
  };
}

const observed = (requests: RequestFacts | undefined, check: StartCheck | undefined) => ({
  ...(requests === undefined ? {} : { requests }),
  ...(check === undefined ? {} : { check }),
});

/** The private socket. A stdio MCP server that attaches here has the rights of its token, as over HTTP. */
async function startSocket(
  settings: Settings,
  path: string,
  control: Control,
  log: Logger,
  replication: Replication,
  undo: Undo[],
): Promise<SocketServer> {
  const { mcp } = settings;
  const tokens = new Tokens(mcp, systemClock, log);
  await tokens.open(() => {});
  const server = await serveSocket({
    path,
    control,
    version: VERSION,
    get directories() {
      return [...replication.entries.map(({ settings: { metaPath } }) => metaPath), ...announcedDirectories(settings)];
    },
    log,
    rules: { readOnly: mcp.readOnly, authenticate: (token) => tokens.find(token) },
  });
  const close = async (): Promise<void> => {
    await server.close();
    tokens.close();
  };
  undo.push(close);
  return { path, close };
}

async function startMetrics({ address }: Settings, metrics: Metrics, service: Replication) {
  if (address === undefined) return undefined;
  return startMetricsServer(address, {
    contentType: metrics.contentType,
    render: () => metrics.render(service.databases),
    health: () => checkHealth(service.databases, service.directories),
    ready: () => isReady(service.databases),
  });
}

async function startMCP(settings: Settings, control: Control, log: Logger, metrics: Metrics) {
  if (settings.mcp.address === undefined) return undefined;
  const { startMCPHTTP } = await import('../mcp/http.ts');
  return startMCPHTTP({ ...settings.mcp, ...auditLogOf(settings) }, control, {
    log,
    version: VERSION,
    observer: {
      called: ({ tool, outcome, seconds }) => metrics.mcpCall(tool, outcome, seconds),
      refused: (reason) => metrics.mcpRefused(reason),
      connections: (kind, open) => metrics.mcpConnections(kind, open),
    },
  });
}
