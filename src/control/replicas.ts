/** Gives verbs the replicas of a database: the running service's own, or ones opened for the occasion. */

import type { ReplicaSettings } from '../engine/options.ts';
import { listCatalogue } from '../engine/restore/catalogue.ts';
import type { FileInfo } from '../replica/file-info.ts';
import { openReplica } from '../replica/open.ts';
import type { Replica } from '../replica/replica.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { ReplicationService } from '../service/service.ts';

export type OpenReplica = (settings: ReplicaSettings) => Promise<Replica>;

export class ReplicaAccess {
  readonly #service: ReplicationService | undefined;
  readonly #open: OpenReplica;
  readonly #opened = new Map<ReplicaSettings, Promise<Replica>>();

  constructor(service: ReplicationService | undefined, open: OpenReplica = ({ store }) => openReplica(store)) {
    this.#service = service;
    this.#open = open;
  }

  /** The replica, open until `close`. */
  async get(entry: DatabaseEntry, settings: ReplicaSettings): Promise<Replica> {
    const database = this.#service?.databases.find((handle) => handle.settings.path === entry.settings.path);
    const running = database?.replicas.find((handle) => handle.settings.name === settings.name);
    if (running) return running.replica;
    const known = this.#opened.get(settings);
    if (known) return known;
    const opening = this.#open(settings);
    this.#opened.set(settings, opening);
    // A replica that could not be opened is tried again by the next call.
    opening.catch(() => this.#opened.delete(settings));
    return opening;
  }

  /** Everything the replica holds, all levels. */
  async list(
    entry: DatabaseEntry,
    settings: ReplicaSettings,
    options: { readonly signal: AbortSignal; readonly exactTimes?: boolean },
  ): Promise<FileInfo[]> {
    return listCatalogue(await this.get(entry, settings), options);
  }

  async close(): Promise<void> {
    const opened = await Promise.allSettled(this.#opened.values());
    this.#opened.clear();
    await Promise.allSettled(opened.map(async (result) => (result.status === 'fulfilled' ? result.value.close() : undefined)));
  }
}
