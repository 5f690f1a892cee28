/** One replica of one database over its life in this process: store, uploader and the words for its state. */

import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { StagedFile } from '../engine/database-engine.ts';
import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';
import type { UploadEvent } from '../engine/upload/events.ts';
import type { LocalFile } from '../engine/upload/local-log.ts';
import { Uploader } from '../engine/upload/uploader.ts';
import type { TXID } from '../formats/ltx/txid.ts';
import { type FileInfo, SNAPSHOT_LEVEL } from '../replica/file-info.ts';
import type { Replica } from '../replica/replica.ts';
import type { ReplicaHandle, ReplicaStatus } from './service.ts';

export interface ManagedReplicaOptions {
  readonly database: DatabaseSettings;
  readonly settings: ReplicaSettings;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly log: Logger;
  readonly lagBudgetMs: number;
  /** A round of uploads failed. */
  readonly onUploadFailed: (code: string) => void;
}

/** What a replica asks of its database. */
export interface ReplicaNeeds {
  /** The replica is further than the local log: the next file has to be a full one after `floor`. */
  raise(floor: TXID): Promise<void>;
  /** A level-9 file of the current position, staged locally: the local log no longer has what the replica needs (design decision 26). */
  snapshot(): Promise<StagedFile>;
  /** The replica has confirmed another file. */
  confirmed(): void;
}

export class ManagedReplica implements ReplicaHandle {
  readonly settings: ReplicaSettings;
  readonly replica: Replica;
  readonly #options: ManagedReplicaOptions;
  readonly #log: Logger;
  readonly #uploader: Uploader;
  #needs: ReplicaNeeds | undefined;
  #bridging: Promise<void> | undefined;

  constructor(options: ManagedReplicaOptions) {
    const { database, settings, replica, clock, log } = options;
    this.settings = settings;
    this.replica = replica;
    this.#options = options;
    this.#log = log.with({ database: database.name, replica: settings.name });
    const directory = join(database.metaPath, 'ltx', '0');
    this.#uploader = new Uploader({ settings, replica, directory, clock, log: this.#log, onEvent: (event) => this.#onEvent(event) });
  }

  /** Largest TXID at the replica; undefined when it could not be asked. */
  async findPosition(signal: AbortSignal): Promise<TXID | undefined> {
    try {
      return await this.replica.maxTXID(signal);
    } catch (error) {
      if (!signal.aborted) this.#log.log('warn', 'the replica cannot be asked for its position', { error: errorToData(error) });
      return undefined;
    }
  }

  start(needs: ReplicaNeeds): void {
    this.#needs = needs;
    this.#uploader.start();
  }

  /** A local file is durable. */
  notify(file: LocalFile): void {
    this.#uploader.notify(file);
  }

  /** The position confirmed at the replica; undefined while unknown. */
  get position(): TXID | undefined {
    return this.#uploader.position;
  }

  /** Resolves when everything that is durable locally is at the replica. */
  async flush(signal?: AbortSignal): Promise<void> {
    await this.#uploader.flush({ signal });
  }

  /** Puts a staged level-9 file and removes it locally. */
  async putSnapshot(staged: StagedFile, signal?: AbortSignal): Promise<FileInfo> {
    const { path, minTXID, maxTXID, size, timestamp } = staged;
    try {
      const body = { size, open: () => createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array> };
      return await this.replica.write(SNAPSHOT_LEVEL, minTXID, maxTXID, body, {
        createdAt: timestamp,
        ...(signal === undefined ? {} : { signal }),
      });
    } finally {
      await rm(path, { force: true });
    }
  }

  status(): ReplicaStatus {
    const { lastError, state, ...facts } = this.#uploader.status();
    const behind = state === 'replicating' && facts.lagSeconds * 1000 > this.#options.lagBudgetMs;
    return {
      name: this.settings.name,
      type: this.replica.store.type,
      destination: this.replica.store.destination,
      state: behind ? 'degraded' : state,
      ...facts,
      ...(lastError === undefined ? {} : { lastError }),
    };
  }

  /**
   * Last upload, unless `signal` is aborted already, then releases the store.
   * @returns the error when something is left.
   */
  async finish({
    deadlineMs,
    retryMs,
    signal,
  }: {
    readonly deadlineMs: number;
    readonly retryMs: number;
    readonly signal: AbortSignal;
  }): Promise<LitestreamError | undefined> {
    try {
      if (!signal.aborted) await this.#uploader.flush({ signal, deadlineMs, retryIntervalMs: retryMs });
      return undefined;
    } catch (error) {
      const data = errorToData(error);
      this.#log.log('error', 'the last changes did not reach the replica', { error: data });
      return new LitestreamError(data.code, data.message, { cause: error });
    } finally {
      await this.#uploader.close();
      await this.replica.close();
    }
  }

  #onEvent(event: UploadEvent): void {
    switch (event.type) {
      case 'uploaded':
        this.#needs?.confirmed();
        return;
      case 'ahead':
        void this.#needs?.raise(event.floor);
        return;
      case 'gap':
        this.#bridging ??= this.#bridge().finally(() => {
          this.#bridging = undefined;
        });
        return;
      case 'failed':
        this.#options.onUploadFailed(event.error.code);
        return;
      case 'recovered':
        return;
    }
  }

  /** The local log has lost what this replica needs next: a snapshot carries it over the hole. */
  async #bridge(): Promise<void> {
    const needs = this.#needs;
    if (needs === undefined) return;
    try {
      const file = await this.putSnapshot(await needs.snapshot());
      this.#log.log('warn', 'local files the replica needed were gone; a snapshot took their place', { size: file.size });
      this.#uploader.retryNow();
    } catch (error) {
      this.#log.log('error', 'bridging a gap with a snapshot failed; tried again with the next upload round', {
        error: errorToData(error),
      });
    }
  }
}
