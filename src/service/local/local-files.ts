/** The files of one database in its metadata directory: what is written there, for how long it stays, and what is kept for a person. */

import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { errorToData } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { StagedFile } from '../../engine/database-engine.ts';
import type { DatabaseSettings } from '../../engine/options.ts';
import { LocalLog } from '../../engine/upload/local-log.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import type { Scheduler } from '../schedule/scheduler.ts';
import { Aside } from './aside.ts';
import { Backlog, type ReplicaBacklog } from './backlog.ts';
import { LocalRetention } from './retention.ts';
import { Staging } from './staging.ts';

export interface LocalFilesOptions {
  readonly settings: DatabaseSettings;
  /** As of now: what each replica has confirmed (undefined: it has not said yet), and what waits for it. */
  readonly replicas: () => readonly { readonly position: TXID | undefined; readonly backlog: ReplicaBacklog }[];
  /** Writes a level-9 file of the present into a directory. */
  readonly snapshot: (directory: string) => Promise<StagedFile>;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly log: Logger;
}

export class LocalFiles {
  /** The level-0 files. */
  readonly log: LocalLog;
  readonly staging: Staging;
  /** What only this machine has. */
  readonly aside: Aside;
  readonly #options: LocalFilesOptions;
  readonly #backlog: Backlog;
  readonly #retention: LocalRetention;
  #isSwept = false;

  constructor(options: LocalFilesOptions) {
    const { settings, replicas, snapshot, scheduler, clock, log } = options;
    const { name, metaPath, backlog: bound } = settings;
    this.#options = options;
    this.log = new LocalLog(join(metaPath, 'ltx', '0'));
    this.staging = new Staging(metaPath);
    this.aside = new Aside({ settings, clock, log, local: this.log, snapshot });
    const backlogs = () => replicas().map(({ backlog }) => backlog);
    this.#backlog = new Backlog({ bound, local: this.log, replicas: backlogs, clock, log });
    const positions = () => replicas().map(({ position }) => position);
    this.#retention = new LocalRetention({ name, metaPath, local: this.log, positions, scheduler, clock, log });
  }

  start(): void {
    this.#retention.start();
  }

  /** No file goes by its age any more. */
  async stop(): Promise<void> {
    await this.#retention.stop();
  }

  /** A local file is durable. */
  synced(txid: TXID): void {
    this.aside.add(txid);
    this.#backlog.check();
  }

  /** A replica has confirmed another file. */
  confirmed(): void {
    this.#retention.confirmed();
  }

  /** Once: an engine that replicates holds the owner lock, so what lies in the staging area is nobody's. */
  sweep(): void {
    if (this.#isSwept) return;
    this.#isSwept = true;
    this.staging.sweep().catch((error: unknown) => {
      this.#options.log.log('warn', 'leftovers of interrupted snapshots could not be removed', { error: errorToData(error) });
    });
  }

  /** Resolves when nothing is being removed or kept aside. */
  async settled(): Promise<void> {
    await this.#backlog.settled();
    await this.aside.settled();
  }
}
