/** Keeps what only we have when another process has taken a replica over: a directory that restores like a replica (docs/engine.md, Fencing and leases). */

import { link, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Backoff } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { errorToData } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { StagedFile } from '../engine/database-engine.ts';
import type { DatabaseSettings } from '../engine/options.ts';
import { ProblemLog } from '../engine/upload/failures.ts';
import type { LocalLog } from '../engine/upload/local-log.ts';
import { formatLTXName } from '../formats/ltx/filename.ts';
import type { TXID } from '../formats/ltx/txid.ts';

export interface AsideOptions {
  readonly settings: DatabaseSettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly local: LocalLog;
  /** Writes a level-9 file of the present into a directory. */
  readonly snapshot: (directory: string) => Promise<StagedFile>;
}

/** Where it lies, below a metadata directory. */
export const asideDirectory = (metaPath: string): string => join(metaPath, 'aside');

const ATTEMPTS = 4;
const RETRY = { initialMs: 250, capMs: 2000 } as const;

export class Aside {
  readonly #options: AsideOptions;
  readonly #problems: ProblemLog;
  /** Level-0 directories that get every further file. */
  readonly #open = new Set<string>();
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

  /** A further local file is durable. */
  add(txid: TXID): void {
    if (this.#open.size === 0) return;
    this.#work = this.#work.then(() => Promise.all([...this.#open].map((directory) => this.#link(txid, directory))));
  }

  /** Resolves when everything that was begun has ended. */
  async settled(): Promise<void> {
    await this.#work;
  }

  async #keep(replica: string): Promise<string> {
    const { settings, clock, log } = this.#options;
    const moment = new Date(clock.now()).toISOString().replace(/[-:]/g, '');
    const path = join(asideDirectory(settings.metaPath), `${encodeURIComponent(replica)}-${moment}`);
    const backoff = new Backoff(RETRY);
    for (;;) {
      try {
        await this.#make(path);
        const command = `litestream restore -o ${shellWord(`${settings.path}.kept`)} ${shellWord(`file://${path}`)}`;
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
  async #make(path: string): Promise<void> {
    const { local, snapshot } = this.#options;
    const temp = `${path}.tmp`;
    await rm(temp, { recursive: true, force: true });
    await mkdir(join(temp, 'ltx', '9'), { recursive: true, mode: 0o700 });
    await mkdir(join(temp, 'ltx', '0'), { mode: 0o700 });
    const { maxTXID } = await snapshot(join(temp, 'ltx', '9'));
    await rename(temp, path);
    const directory = join(path, 'ltx', '0');
    this.#open.add(directory);
    for (const { txid } of await local.list()) if (txid > maxTXID) await this.#link(txid, directory);
  }

  /** Costs a name, no bytes; on another file system there is none, and the snapshot has to do. */
  async #link(txid: TXID, directory: string): Promise<void> {
    const { local } = this.#options;
    try {
      await link(local.path(txid), join(directory, formatLTXName({ minTXID: txid, maxTXID: txid })));
    } catch (thrown) {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'EEXIST') return;
      const error = errorToData(thrown);
      this.#problems.failed(error.code, { error, directory });
    }
  }
}

/** For a shell, quoted where it has to be. */
const shellWord = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
