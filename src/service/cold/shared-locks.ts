/** The locks with which this process covers its cold databases: one for each directory that holds metadata directories. */

import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { errorToData } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { SharedLock } from '../../sqlite/shared-lock.ts';

/** How often the lock files are compared with their paths, ms. */
const CHECK = 5000;
/** After a directory could not be locked it is not tried again for this long, ms. */
const RETRY = 600_000;

/** Knowledge of locks, which are SQLite files: loaded by the first database that becomes cold. */
export interface LockMaker {
  acquire(directory: string, id: string): SharedLock;
  /** Removes the record that the lock `id` covers the metadata directory, if it stands. */
  uncover(metaPath: string, id: string): void;
  isCovered(metaPath: string, id: string): boolean;
}

export interface SharedLocksOptions {
  readonly id: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly load: () => Promise<LockMaker>;
  /** A lock file was removed by somebody; it has been made anew where that was possible. */
  readonly onLost: (directory: string) => void;
}

export class SharedLocks {
  readonly #options: SharedLocksOptions;
  readonly #held = new Map<string, SharedLock>();
  /** By directory: when it may be tried again, monotonic ms. */
  readonly #refused = new Map<string, number>();
  readonly #closing = new AbortController();
  #maker: Promise<LockMaker> | undefined;
  #checking: Promise<void> | undefined;

  constructor(options: SharedLocksOptions) {
    this.#options = options;
  }

  /** Path of the lock that covers metadata directories below `root`; undefined when it cannot be had. */
  async hold(root: string): Promise<string | undefined> {
    const { clock } = this.#options;
    if (this.#closing.signal.aborted || clock.monotonic() < (this.#refused.get(root) ?? 0)) return undefined;
    const maker = await this.#load();
    const held = this.#held.get(root);
    if (held?.isIntact() === true) return held.path;
    const lock = this.#acquire(maker, root);
    this.#checking ??= this.#check().catch(() => {}); // ends with the abort of its sleep
    return lock?.path;
  }

  /** The record in the metadata directory still says that our lock covers it. */
  async covers(metaPath: string): Promise<boolean> {
    return (await this.#load()).isCovered(metaPath, this.#options.id);
  }

  /** A cold database is let go. */
  async uncover(metaPath: string): Promise<void> {
    (await this.#load()).uncover(metaPath, this.#options.id);
  }

  /** Only after every database was let go. */
  close(): void {
    this.#closing.abort();
    for (const lock of this.#held.values()) lock.release();
    this.#held.clear();
  }

  #load(): Promise<LockMaker> {
    this.#maker ??= this.#options.load();
    return this.#maker;
  }

  #acquire(maker: LockMaker, root: string): SharedLock | undefined {
    const { id, clock, log } = this.#options;
    this.#held.get(root)?.release();
    this.#held.delete(root);
    try {
      const lock = maker.acquire(root, id);
      this.#held.set(root, lock);
      return lock;
    } catch (error) {
      this.#refused.set(root, clock.monotonic() + RETRY);
      log.log('warn', 'databases stay open: there can be no lock for closed ones', { directory: root, error: errorToData(error) });
      return undefined;
    }
  }

  async #check(): Promise<void> {
    const { clock, log, onLost } = this.#options;
    for (;;) {
      await clock.sleep(CHECK, { signal: this.#closing.signal, unref: true });
      const maker = await this.#load();
      for (const [root, lock] of [...this.#held]) {
        if (lock.isIntact()) continue;
        log.log('warn', 'the lock of closed databases was removed; it is taken anew', { directory: root });
        this.#acquire(maker, root);
        onLost(root);
      }
    }
  }
}

/** Where the lock of a metadata directory lies by default. */
export const lockRootOf = (metaPath: string): string => dirname(metaPath);
