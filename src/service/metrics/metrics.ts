/**
 * Prometheus metrics of the whole process: the original's names with their labels (docs/metrics.md), made true for every replica type,
 * plus lag, last confirmation and write-lock hold.
 */

import { Registry } from 'prom-client';
import type { EngineEvent } from '../../engine/events.ts';
import type { StoreOperation } from '../../storage/wrap/meter.ts';
import type { ColdCount } from '../cold/support.ts';
import type { CompanionCount } from '../companions/companion.ts';
import type { DisabledDatabase } from '../options.ts';
import type { DatabaseHandle } from '../service.ts';
import { COMPANION_FAMILIES } from './companion-metrics.ts';
import { add, DatabaseSeries } from './database-series.ts';
import { ENGINE_FAMILIES, observeEngine } from './engine-metrics.ts';
import { exposition } from './exposition.ts';
import type { Family } from './family.ts';
import { mcpMetrics } from './mcp-metrics.ts';
import { processMetrics } from './process-metrics.ts';
import { observeDatabase, SERVICE_FAMILIES } from './service-metrics.ts';
import { observeCall, observeRetry, REQUEST_FAMILIES, storeMetrics } from './store-metrics.ts';
import { Turns } from './turns.ts';

const FAMILIES: readonly Family[] = [...SERVICE_FAMILIES, ...ENGINE_FAMILIES, ...REQUEST_FAMILIES, ...COMPANION_FAMILIES];
/** So many databases are asked before the loop goes round. */
const ASKED_AT_ONCE = 50;

export class Metrics {
  /** Of the process; what there is of every database is in `#databases` (decision 84). */
  readonly #registry = new Registry();
  readonly #store = storeMetrics(this.#registry);
  readonly #mcp = mcpMetrics(this.#registry);
  /** By path. */
  readonly #databases = new Map<string, DatabaseSeries>();
  readonly #turns = new Turns();
  #asking: Promise<void> | undefined;
  #mustSweep = false;

  constructor(version: string) {
    processMetrics(this.#registry, version);
  }

  /** Content type of `render`. */
  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Listener to the engine events of the database at `db` (absolute path). */
  engineEvent(db: string, event: EngineEvent): void {
    observeEngine(this.#seriesOf(db), event);
  }

  /** A closed database was woken, or what came of it. */
  coldCount(db: string, what: ColdCount): void {
    const database = this.#seriesOf(db);
    database.cold = add(database.cold, what, 1);
  }

  /** Listener to the metering wrapper of every store. */
  storeOperation(operation: StoreOperation, of?: { readonly db: string; readonly replica: string }): void {
    observeCall(this.#store, operation, of && this.#seriesOf(of.db).replica(of.replica));
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
    const series = this.#seriesOf(db).replica(replica);
    series.uploadErrors = add(series.uploadErrors, code, 1);
  }

  /** Something that accompanies a replica has happened. */
  count(db: string, replica: string, what: CompanionCount, amount: number): void {
    const series = this.#seriesOf(db).replica(replica);
    series.companions = add(series.companions, what, amount);
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

  /**
   * The text exposition, as `exposition` gives it; states, positions and lag are read from `databases` before it resolves, for all who ask at
   * the same time together.
   * @param disabled what is configured and not replicated: only the state is told.
   */
  async render(databases: readonly DatabaseHandle[], disabled: readonly DisabledDatabase[] = []): Promise<AsyncIterable<Uint8Array>> {
    this.#asking ??= this.#ask(databases).finally(() => {
      this.#asking = undefined;
    });
    await this.#asking;
    for (const { settings } of disabled) this.#seriesOf(settings.path).state = 'disabled';
    return exposition(await this.#registry.metrics(), FAMILIES, [...this.#databases.values()], this.#turns);
  }

  /** A busy engine answers late, and nobody waits for another one's answer. */
  async #ask(databases: readonly DatabaseHandle[]): Promise<void> {
    if (this.#mustSweep) this.#sweep(databases);
    const answers: Promise<void>[] = [];
    for (const [index, database] of databases.entries()) {
      if (index % ASKED_AT_ONCE === 0) await this.#turns.next();
      answers.push(this.#askOne(database));
    }
    await Promise.all(answers);
  }

  async #askOne(database: DatabaseHandle): Promise<void> {
    observeDatabase(this.#seriesOf(database.settings.path), await database.status());
  }

  #sweep(databases: readonly DatabaseHandle[]): void {
    const present = new Set(databases.map(({ settings }) => settings.path));
    for (const path of this.#databases.keys()) if (!present.has(path)) this.#databases.delete(path);
    this.#mustSweep = false;
  }

  #seriesOf(path: string): DatabaseSeries {
    const known = this.#databases.get(path);
    if (known !== undefined) return known;
    const made = new DatabaseSeries(path);
    this.#databases.set(path, made);
    return made;
  }
}
