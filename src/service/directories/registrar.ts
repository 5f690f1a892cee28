/** Takes members of a directory in and lets them go, one step after the other for each path, a few paths at a time. */

import { type ErrorData, errorToData, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { Unreplicated } from '../managed-database.ts';
import type { DatabaseEntry } from '../options.ts';
import type { StopLimits } from '../stop-limits.ts';
import { Holders, identityOf } from './holders.ts';
import { directoryKey, memberEntry, memberName, memberPath } from './member.ts';
import { copyText } from './members.ts';
import type { DirectorySettings } from './options.ts';
import { isDatabaseFile, isFollowedCopy, lookAt } from './scan.ts';

/** The running set of databases. */
export interface MemberService {
  readonly entries: readonly DatabaseEntry[];
  has(path: string): boolean;
  isNameTaken(name: string): boolean;
  add(entry: DatabaseEntry): Promise<void>;
  remove(path: string, limits: StopLimits): Promise<readonly Unreplicated[]>;
}

export interface RegistrarTools {
  readonly service: MemberService;
  readonly log: Logger;
  readonly now: () => number;
  /** For the last upload of a member that goes. */
  readonly limits: StopLimits;
}

/** What all directories of a process share. */
export class Desk {
  /** So many databases are opened for the first time at once; a first copy may be long. */
  readonly adding = new Semaphore(8);
  readonly removing = new Semaphore(8);
  readonly holders = new Holders();
}

export interface MemberTrouble {
  readonly path: string;
  readonly error: ErrorData;
  readonly since: number;
}

interface Task {
  again: boolean;
  done: Promise<void>;
}

export class Registrar {
  readonly #settings: DirectorySettings;
  readonly #tools: RegistrarTools;
  readonly #desk: Desk;
  readonly #members = new Set<string>();
  /** Told about. */
  readonly #copies = new Set<string>();
  readonly #tasks = new Map<string, Task>();
  readonly #troubles = new Map<string, MemberTrouble>();
  readonly #stopping = new AbortController();

  constructor(settings: DirectorySettings, desk: Desk, tools: RegistrarTools) {
    this.#settings = settings;
    this.#desk = desk;
    this.#tools = tools;
  }

  get members(): ReadonlySet<string> {
    return this.#members;
  }

  get troubles(): readonly MemberTrouble[] {
    return [...this.#troubles.values()].toReversed();
  }

  /** Something may have happened at `path`: finds out and does what follows. Resolves when that is done; never rejects. */
  examine(path: string): Promise<void> {
    const under = this.#tasks.get(path);
    if (under !== undefined) {
      under.again = true;
      return under.done;
    }
    const task: Task = { again: false, done: Promise.resolve() };
    this.#tasks.set(path, task);
    task.done = this.#work(path, task).finally(() => this.#tasks.delete(path));
    return task.done;
  }

  /** Nothing is begun any more. What is under way belongs to the service that is being stopped. */
  stop(): void {
    this.#stopping.abort(new LitestreamError('SHUTTING_DOWN', `${this.#settings.dir} is not watched any more`));
  }

  async #work(path: string, task: Task): Promise<void> {
    do {
      task.again = false;
      try {
        await this.#step(path);
        this.#troubles.delete(path);
      } catch (error) {
        this.#trouble(path, errorToData(error));
      }
    } while (task.again && !this.#stopping.signal.aborted);
  }

  async #step(path: string): Promise<void> {
    const facts = await lookAt(path);
    const isFile = facts?.isFile() === true;
    if (this.#stopping.signal.aborted) return;
    if (!this.#members.has(path)) return isFile ? this.#register(path, identityOf(facts)) : undefined;
    // Another file at the same path is the engine's matter (docs/engine.md, Hazards, H5).
    if (isFile) this.#desk.holders.renew(identityOf(facts), this.#holder(path));
    else await this.#unregister(path);
  }

  async #register(path: string, identity: string): Promise<void> {
    const below = memberPath(this.#settings, path);
    if (below === undefined) return;
    if (this.#tools.service.has(path)) return this.#adopt(path, identity);
    await this.#refuseSecondName(path, identity);
    try {
      await this.#desk.adding.run(() => this.#open(path, below), this.#stopping.signal);
    } finally {
      if (!this.#members.has(path)) this.#desk.holders.release(path);
    }
  }

  /** A database of its own entry, or of another directory, is not ours; one that was found before the start is. */
  #adopt(path: string, identity: string): void {
    const entry = this.#tools.service.entries.find(({ settings }) => settings.path === path);
    if (entry?.memberOf !== directoryKey(this.#settings)) return;
    this.#members.add(path);
    this.#desk.holders.renew(identity, this.#holder(path));
  }

  async #refuseSecondName(path: string, identity: string): Promise<void> {
    const { holders } = this.#desk;
    const own = await this.#ownEntryOf(identity);
    if (own === undefined && (await holders.take(identity, this.#holder(path)))) return;
    throw new LitestreamError(
      'CONFIG_INVALID',
      `${path} is the same file as ${own ?? holders.pathOf(identity)}, which is replicated already`,
      {
        hint: 'Remove one of the links.',
      },
    );
  }

  /** Files of databases that have an entry of their own are held too. */
  async #ownEntryOf(identity: string): Promise<string | undefined> {
    for (const { settings, memberOf } of this.#tools.service.entries) {
      if (memberOf !== undefined) continue;
      const facts = await lookAt(settings.path).catch(() => undefined);
      if (facts !== undefined && identityOf(facts) === identity) return settings.path;
    }
    return undefined;
  }

  async #open(path: string, below: string): Promise<void> {
    if ((await lookAt(path))?.isFile() !== true || !(await isDatabaseFile(path))) return; // a change of the file will tell
    if (await isFollowedCopy(path)) return this.#passOver(path);
    this.#copies.delete(path);
    this.#stopping.signal.throwIfAborted();
    const { service, log } = this.#tools;
    const entry = memberEntry(
      this.#settings,
      below,
      memberName(this.#settings, below, (name) => service.isNameTaken(name)),
    );
    await service.add(entry);
    this.#members.add(path);
    log.log('info', 'a database has appeared and is replicated', { database: entry.settings.name, path });
  }

  /** The next look through the directory finds it when it is a copy no more. */
  #passOver(path: string): void {
    if (this.#copies.has(path)) return;
    this.#copies.add(path);
    this.#tools.log.log('warn', copyText(path), { path });
  }

  async #unregister(path: string): Promise<void> {
    const { service, log, limits } = this.#tools;
    const left = await this.#desk.removing.run(() => service.remove(path, limits), this.#stopping.signal);
    this.#members.delete(path);
    this.#desk.holders.release(path);
    if (left.length === 0) return log.log('info', 'a database is gone and not replicated any more; its replicas stay', { path });
    log.log('warn', 'a database is gone and not replicated any more; its replicas stay, but lack what was not uploaded', {
      path,
      left: left.map(({ replica, error }) => `${replica}: ${error}`),
    });
  }

  #holder(path: string) {
    return { path, settle: () => this.examine(path) };
  }

  #trouble(path: string, error: ErrorData): void {
    if (this.#stopping.signal.aborted) return;
    const known = this.#troubles.get(path);
    if (known?.error.code === error.code) return;
    this.#troubles.set(path, { path, error, since: this.#tools.now() });
    this.#tools.log.log('error', 'a file of a watched directory cannot be replicated', { path, error });
  }
}
