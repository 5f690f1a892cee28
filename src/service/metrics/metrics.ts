/**
 * Prometheus metrics of the whole process: the original's names with their labels (docs/metrics.md), made true for every replica type,
 * plus lag, last confirmation and write-lock hold.
 */

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EngineEvent } from '../../engine/events.ts';
import type { StoreOperation } from '../../storage/wrap/meter.ts';
import type { ColdCount } from '../cold/support.ts';
import type { CompanionCount } from '../companions/companion.ts';
import type { DatabaseHandle } from '../service.ts';
import { companionMetrics, observeCompanions } from './companion-metrics.ts';
import { engineMetrics, observeEngine } from './engine-metrics.ts';
import { labelled } from './labelled.ts';
import { observeDatabase, serviceMetrics } from './service-metrics.ts';
import { observeCall, observeRetry, storeMetrics } from './store-metrics.ts';
import { sweepDatabases } from './sweep.ts';

export class Metrics {
  readonly #registry = new Registry();
  readonly #engine = engineMetrics(this.#registry);
  readonly #store = storeMetrics(this.#registry);
  readonly #service = serviceMetrics(this.#registry);
  readonly #companions = companionMetrics(this.#registry);
  readonly #mcp = mcpMetrics(this.#registry);
  #mustSweep = false;

  constructor(version: string) {
    new Gauge({
      name: 'litestream_build_info',
      help: 'Always 1; the version is a label.',
      labelNames: ['version'],
      registers: [this.#registry],
    })
      .labels(version)
      .set(1);
  }

  /** Content type of `render`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Listener to the engine events of the database at `db` (absolute path). */
  engineEvent(db: string, event: EngineEvent): void {
    observeEngine(this.#engine, db, event);
  }

  /** A closed database was woken, or what came of it. */
  coldCount(db: string, what: ColdCount): void {
    this.#service.cold[what].labels(db).inc();
  }

  /** Listener to the metering wrapper of every store. */
  storeOperation(operation: StoreOperation, of?: { readonly db: string; readonly replica: string }): void {
    observeCall(this.#store, operation, of);
  }

  /** A call to a store of this type is repeated. */
  storeRetried(type: string, operation: string): void {
    observeRetry(this.#store, type, operation);
  }

  /** An object began or ceased to be read. */
  storeStreams(type: string, change: 1 | -1): void {
    this.#store.streams.labels(type).inc(change);
  }

  /** A round of uploads failed. */
  uploadFailed(db: string, replica: string, code: string): void {
    this.#service.uploadErrors.labels(db, replica, code).inc();
  }

  /** Something that accompanies a replica has happened. */
  count(db: string, replica: string, what: CompanionCount, amount: number): void {
    this.#companions.counters[what].labels(db, replica).inc(amount);
  }

  /** Listener to the MCP doors: one finished or refused call. */
  mcpCall(tool: string, outcome: string, seconds: number): void {
    this.#mcp.calls.labels(tool, outcome).inc();
    this.#mcp.duration.labels(tool).observe(seconds);
  }

  /** Listener to the MCP doors: a request turned away before any tool ran. */
  mcpRefused(reason: string): void {
    this.#mcp.refused.labels(reason).inc();
  }

  /** Listener to the MCP doors: open connections of a kind. */
  mcpConnections(kind: string, count: number): void {
    this.#mcp.connections.labels(kind).set(count);
  }

  /** A database has been let go; its series end with the next exposition. */
  databaseRemoved(): void {
    this.#mustSweep = true;
  }

  /** The text exposition; positions and lag are read from `databases` at this moment. */
  async render(databases: readonly DatabaseHandle[]): Promise<string> {
    if (this.#mustSweep) await sweepDatabases(this.#registry, new Set(databases.map(({ settings }) => settings.path)));
    this.#mustSweep = false;
    await Promise.all(databases.map((database) => this.#observe(database)));
    return this.#registry.metrics();
  }

  async #observe(database: DatabaseHandle): Promise<void> {
    const db = database.settings.path;
    const status = await database.status();
    observeDatabase(this.#service, db, status);
    for (const replica of status.replicas) observeCompanions(this.#companions, db, replica);
  }
}

function mcpMetrics(registry: Registry) {
  return {
    calls: new Counter({ name: 'litestream_mcp_calls_total', help: 'MCP tool calls.', ...labelled(registry, 'tool', 'outcome') }),
    duration: new Histogram({
      name: 'litestream_mcp_duration_seconds',
      help: 'Duration of MCP tool calls.',
      ...labelled(registry, 'tool'),
    }),
    connections: new Gauge({ name: 'litestream_mcp_connections', help: 'Open MCP connections.', ...labelled(registry, 'kind') }),
    refused: new Counter({
      name: 'litestream_mcp_refused_total',
      help: 'MCP requests refused before a tool ran.',
      ...labelled(registry, 'reason'),
    }),
  };
}
