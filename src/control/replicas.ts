/** Gives verbs the replicas of a database: the running service's own, or ones opened for the occasion. */

import type { ReplicaSettings } from '../engine/options.ts';
import { listForPlan } from '../engine/restore/catalogue.ts';
import type { FileInfo } from '../replica/file-info.ts';
import { type LegacyListing, listLegacy } from '../replica/legacy/listing.ts';
import { type OpenReplicaOptions, openReplica } from '../replica/open.ts';
import type { Replica } from '../replica/replica.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { ReplicationService } from '../service/service.ts';

export type OpenReplica = (settings: ReplicaSettings, options?: OpenReplicaOptions) => Promise<Replica>;

const MOST_OPEN = 256;

export class ReplicaAccess {
  readonly #service: ReplicationService | undefined;
  readonly #open: OpenReplica;
  /** By what is opened: entries of members that are gone are made anew for each call. The last one used is the last one here. */
  readonly #opened = new Map<string, Promise<Replica>>();

  constructor(service: ReplicationService | undefined, open: OpenReplica = ({ store }, options) => openReplica(store, options)) {
    this.#service = service;
    this.#open = open;
  }

  /** The replica, open until `close`. */
  async get(entry: DatabaseEntry, settings: ReplicaSettings): Promise<Replica> {
    const database = this.#service?.databases.find((handle) => handle.settings.path === entry.settings.path);
    const running = database?.replicas.find((handle) => handle.settings.name === settings.name);
    if (running) return running.replica;
    const key = JSON.stringify(settings);
    const known = this.#opened.get(key) ?? this.#open(settings);
    this.#opened.delete(key);
    this.#opened.set(key, known);
    // A replica that could not be opened is tried again by the next call.
    known.catch(() => this.#opened.delete(key));
    this.#closeOldest();
    return known;
  }

  /** A client of its own, also beside a running service, which the caller closes. */
  openAnew(settings: ReplicaSettings, options: OpenReplicaOptions): Promise<Replica> {
    return this.#open(settings, options);
  }

  /** Far more than are in use at once; what is asked for by chance must not pile up. */
  #closeOldest(): void {
    if (this.#opened.size <= MOST_OPEN) return;
    const [oldest] = this.#opened;
    if (oldest === undefined) return;
    const [key, opening] = oldest;
    this.#opened.delete(key);
    opening.then((replica) => replica.close()).catch(() => {}); // nobody uses it any more
  }

  /** Everything the replica holds, all levels; listed twice where that is needed to be sure of a gap. */
  async list(
    entry: DatabaseEntry,
    settings: ReplicaSettings,
    options: { readonly signal: AbortSignal; readonly exactTimes?: boolean },
  ): Promise<FileInfo[]> {
    return listForPlan(await this.get(entry, settings), options);
  }

  /** What version 0.3 left there. */
  async listLegacy(entry: DatabaseEntry, settings: ReplicaSettings, signal: AbortSignal): Promise<LegacyListing> {
    const { store, prefix } = await this.get(entry, settings);
    return listLegacy(store, prefix, { signal });
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#opened.values());
    this.#opened.clear();
    await Promise.allSettled(opened.map(async (result) => (result.status === 'fulfilled' ? result.value.close() : undefined)));
  }
}
