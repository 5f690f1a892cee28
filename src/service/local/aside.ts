/** Keeps what only we have when another process has taken a replica over: a directory that restores like a replica (docs/engine.md, Fencing and leases). */

import { link, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { errorToData } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { systemCode } from '../../base/system-error.ts';
import type { StagedFile } from '../../engine/database-engine.ts';
import type { DatabaseSettings } from '../../engine/options.ts';
import { ProblemLog } from '../../engine/upload/failures.ts';
import type { LocalLog } from '../../engine/upload/local-log.ts';
import { formatLTXName } from '../../formats/ltx/filename.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import { asidePath, listAside, restoreAside } from './aside-names.ts';

export interface AsideOptions {
  readonly settings: DatabaseSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly local: LocalLog;
  /** Writes a level-9 file of the present into a directory. */
  readonly snapshot: (directory: string) => Promise<StagedFile>;
}

const ATTEMPTS = 4;
/** Directories kept for one replica: a lease that goes back and forth must not fill the disk. */
const MOST_KEPT = 3;
const RETRY = { initialMs: 250, capMs: 2000 } as const;

export class Aside {
  readonly #options: AsideOptions;
  readonly #problems: ProblemLog;
  /** By replica: the level-0 directory that gets every further file. */
  readonly #open = new Map<string, string>();
  #work: Promise<unknown> = Promise.resolve();

  constructor(options: AsideOptions) {
    this.#options = options;
    this.#problems = new ProblemLog(options.clock, options.log, {
      level: 'error',
      failing: 'keeping what the replica does not have failed',
    });
  }

  /** Begins a directory for `replica`; returns the advice for a person, which says so when it could not be made. */
  keep(replica: string): Promise<string> {
    const kept = this.#work.then(() => this.#keep(replica));
    this.#work = kept;
    return kept;
  }

  /** The replica is ours again: it gets the further files. */
  end(replica: string): void {
    this.#work = this.#work.then(() => this.#open.delete(replica));
  }

  /** A further local file is durable. */
  add(txid: TXID): void {
    if (this.#open.size === 0) return;
    this.#work = this.#work.then(() => Promise.all([...this.#open.values()].map((directory) => this.#link(txid, directory))));
  }

  /** Resolves when everything that was begun has ended. */
  async settled(): Promise<void> {
    await this.#work;
  }

  async #keep(replica: string): Promise<string> {
    const { settings, clock, log } = this.#options;
    const path = asidePath(settings.metaPath, replica, clock.now());
    const backoff = new Backoff(RETRY);
    for (;;) {
      try {
        await this.#make(path, replica);
        const command = restoreAside(settings, path);
        log.log('warn', 'another process has taken the replica over; what it does not have is kept aside', { replica, path, command });
        return `What only this machine has is kept: ${command}`;
      } catch (thrown) {
        const error = errorToData(thrown);
        this.#problems.failed(error.code, { error, path });
        const pause = backoff.next();
        if (backoff.attempts >= ATTEMPTS)
          return `What only this machine has could not be copied (${error.message}); it is in ${settings.path} itself.`;
        await clock.sleep(pause, { unref: true });
      }
    }
  }

  /** A snapshot, and the local files that go on after it. Complete under its name, or not there. */
  async #make(path: string, replica: string): Promise<void> {
    const { local, snapshot } = this.#options;
    const temp = `${path}.tmp`;
    await rm(temp, { recursive: true, force: true });
    await mkdir(join(temp, 'ltx', '9'), { recursive: true, mode: 0o700 });
    await mkdir(join(temp, 'ltx', '0'), { mode: 0o700 });
    const { maxTXID } = await snapshot(join(temp, 'ltx', '9'));
    await rename(temp, path);
    const directory = join(path, 'ltx', '0');
    await this.#dropOldest(replica);
    this.#open.set(replica, directory);
    for (const { txid } of await local.list()) if (txid > maxTXID) await this.#link(txid, directory);
  }

  /** What is kept now holds the state of all earlier ones, carried on. */
  async #dropOldest(replica: string): Promise<void> {
    const kept = await listAside(this.#options.settings.metaPath, replica);
    for (const { path } of kept.slice(0, -MOST_KEPT)) await rm(path, { recursive: true, force: true });
  }

  /** Costs a name, no bytes; on another file system there is none, and the snapshot has to do. */
  async #link(txid: TXID, directory: string): Promise<void> {
    const { local } = this.#options;
    try {
      await link(local.path(txid), join(directory, formatLTXName({ minTXID: txid, maxTXID: txid })));
    } catch (thrown) {
      if (systemCode(thrown) === 'EEXIST') return;
      const error = errorToData(thrown);
      this.#problems.failed(error.code, { error, directory });
    }
  }
}
