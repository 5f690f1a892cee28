/** One configured directory while replication runs: hears of what changes in it and has it examined, and looks through it once in a while. */

import { basename, join, sep } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { errorToData, hasCode, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { ProblemLog } from '../../engine/upload/failures.ts';
import type { DirectoryStatus } from '../service.ts';
import { identityOf } from './holders.ts';
import { isMemberName, isOwnDirectory, isSideFile, rootsOf } from './member.ts';
import type { DirectorySettings } from './options.ts';
import type { MemberTrouble, Registrar } from './registrar.ts';
import { listDirectory, lookAt } from './scan.ts';
import type { DirectoryWatch, WatchDirectory } from './watch.ts';

/** Events of one file come in bursts, ms. */
const DEBOUNCE = 250;
/** Events can be lost: distance between two looks through a directory that is watched, ms. */
const RESCAN = 60_000;
/** The same where events do not come, or the directory does not exist yet, ms. */
const RESCAN_BLIND = 5000;
const RESCAN_ABSENT = 1000;

export interface WatchedDirectoryTools {
  readonly clock: Clock;
  readonly log: Logger;
  readonly watch: WatchDirectory;
  readonly registrar: Registrar;
}

interface Watched {
  readonly identity: string;
  readonly watch: DirectoryWatch;
}

export class WatchedDirectory {
  readonly settings: DirectorySettings;
  readonly #tools: WatchedDirectoryTools;
  readonly #roots: readonly string[];
  readonly #watches = new Map<string, Watched>();
  /** Directories that cannot be read or watched. */
  readonly #failing = new Map<string, MemberTrouble>();
  readonly #stopping = new AbortController();
  readonly #failures: ProblemLog;
  #dirty = new Set<string>();
  #wake = new AbortController();
  #isAbsent = false;
  #isScanned = false;

  constructor(settings: DirectorySettings, tools: WatchedDirectoryTools) {
    this.settings = settings;
    this.#tools = tools;
    this.#roots = rootsOf(settings.template, settings);
    this.#failures = new ProblemLog(tools.clock, tools.log, {
      level: 'error',
      failing: 'a directory of databases cannot be watched or read; it is looked at again every few seconds',
      over: 'the directory of databases is watched again',
    });
  }

  start(): void {
    this.#run().catch((error: unknown) => {
      if (!this.#stopping.signal.aborted)
        this.#tools.log.log('error', 'a directory is not watched any more', { error: errorToData(error) });
    });
  }

  stop(): void {
    this.#stopping.abort(new LitestreamError('SHUTTING_DOWN', `${this.settings.dir} is not watched any more`));
    this.#tools.registrar.stop();
    for (const { watch } of this.#watches.values()) watch.close();
    this.#watches.clear();
  }

  status(): DirectoryStatus {
    const { registrar } = this.#tools;
    const problems = [...this.#failing.values(), ...registrar.troubles];
    return {
      dir: this.settings.dir,
      pattern: this.settings.pattern,
      state: this.#state(problems),
      members: registrar.members.size,
      problems,
    };
  }

  #state(problems: readonly unknown[]): DirectoryStatus['state'] {
    if (this.#stopping.signal.aborted) return 'stopped';
    if (!this.#isScanned) return 'starting';
    if (problems.length > 0) return 'degraded';
    return this.#isAbsent ? 'waiting' : 'watching';
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#wake = new AbortController();
      await this.#rescan();
      this.#isScanned = true;
      const pause = this.#isAbsent ? RESCAN_ABSENT : this.#failing.size > 0 ? RESCAN_BLIND : RESCAN;
      await this.#pause(pause);
    }
  }

  /** Until the time is over, or somebody asks for a look. */
  async #pause(ms: number): Promise<void> {
    const wake = this.#wake;
    const onStop = (): void => wake.abort();
    this.#stopping.signal.addEventListener('abort', onStop, { once: true });
    try {
      if (!this.#stopping.signal.aborted) await this.#tools.clock.sleep(ms, { signal: wake.signal, unref: true });
    } catch {
      if (!this.#stopping.signal.aborted) await this.#tools.clock.sleep(DEBOUNCE, { unref: true });
    } finally {
      this.#stopping.signal.removeEventListener('abort', onStop);
    }
  }

  async #rescan(): Promise<void> {
    const { registrar } = this.#tools;
    const seen = new Set<string>();
    await this.#visit(this.settings.dir, seen);
    for (const path of registrar.members) if (!seen.has(path) && !this.#isHidden(path)) void registrar.examine(path);
    for (const { path } of registrar.troubles) if (!seen.has(path)) void registrar.examine(path);
    for (const path of [...this.#watches.keys(), ...this.#failing.keys()]) if (!seen.has(path)) this.#forget(path);
    const [problem] = this.#failing.values();
    if (problem === undefined) this.#failures.succeeded();
    else this.#failures.failed(`${problem.error.code} ${problem.path}`, { directory: problem.path, error: problem.error });
  }

  /** Watches the directory and everything below it that counts, and has every file in it examined. What cannot be read is left as it is. */
  async #visit(directory: string, seen: Set<string>): Promise<void> {
    seen.add(directory);
    try {
      // The watch comes first: what appears meanwhile is heard or listed.
      const unwatched = await this.#watch(directory);
      const { files, directories } = await listDirectory(this.settings, directory);
      if (directory === this.settings.dir) this.#isAbsent = false;
      if (unwatched === undefined) this.#failing.delete(directory);
      else this.#cannot(directory, unwatched);
      for (const name of files) {
        const path = join(directory, name);
        seen.add(path);
        // A member that is still listed has nothing new to tell.
        if (!this.#tools.registrar.members.has(path)) void this.#tools.registrar.examine(path);
      }
      for (const name of directories) if (!this.#stopping.signal.aborted) await this.#visit(join(directory, name), seen);
    } catch (error) {
      this.#cannot(directory, error);
    }
  }

  /** Watches one directory if it is not watched already; returns why that is impossible. Throws when the directory is not there. */
  async #watch(directory: string): Promise<LitestreamError | undefined> {
    const facts = await lookAt(directory, { follow: directory === this.settings.dir });
    if (facts?.isDirectory() !== true) throw new LitestreamError('DB_NOT_FOUND', `there is no directory ${directory}`);
    const identity = identityOf(facts);
    const known = this.#watches.get(directory);
    if (known?.identity === identity || this.#stopping.signal.aborted) return undefined;
    known?.watch.close();
    this.#watches.delete(directory);
    const lost = (error: LitestreamError): void => {
      this.#watches.delete(directory);
      this.#cannot(directory, error);
      this.#wake.abort();
    };
    try {
      const watch = this.#tools.watch(directory, (type, name) => this.#hear(directory, type, name), lost);
      this.#watches.set(directory, { identity, watch });
      return undefined;
    } catch (error) {
      if (error instanceof LitestreamError) return error;
      throw error;
    }
  }

  /** It lies in a directory that cannot be read now, which says nothing about it. */
  #isHidden(path: string): boolean {
    return [...this.#failing.keys()].some((directory) => path.startsWith(directory + sep));
  }

  #cannot(directory: string, error: unknown): void {
    const isRoot = directory === this.settings.dir;
    if (hasCode(error, 'DB_NOT_FOUND')) {
      if (isRoot) this.#isAbsent = true;
      this.#forget(directory);
      return;
    }
    const since = this.#failing.get(directory)?.since ?? this.#tools.clock.now();
    this.#failing.set(directory, { path: directory, error: errorToData(error), since });
  }

  #forget(directory: string): void {
    this.#watches.get(directory)?.watch.close();
    this.#watches.delete(directory);
    this.#failing.delete(directory);
  }

  /** Called for every write to every file of the directory, so what does not matter has to be found out cheaply. */
  #hear(directory: string, type: 'rename' | 'change', name: string | null): void {
    // No name: anything may have happened in it. Its own name: it was moved or removed.
    if (name === null || name === '') this.#note(directory);
    if (name === basename(directory)) this.#wake.abort();
    if (name === null || name === '' || isSideFile(name)) return;
    const path = join(directory, name);
    const isMember = this.#tools.registrar.members.has(path);
    if (type === 'change' && (isMember || !isMemberName(this.settings.pattern, name))) return;
    if (!isMember && !this.settings.recursive && !isMemberName(this.settings.pattern, name)) return;
    this.#note(path);
  }

  #note(path: string): void {
    if (this.#dirty.size === 0) this.#settleSoon();
    this.#dirty.add(path);
  }

  #settleSoon(): void {
    this.#tools.clock.sleep(DEBOUNCE, { signal: this.#stopping.signal, unref: true }).then(
      () => this.#settle(),
      () => {}, // stopped while waiting
    );
  }

  async #settle(): Promise<void> {
    const paths = this.#dirty;
    this.#dirty = new Set();
    for (const path of paths) {
      if (this.#stopping.signal.aborted) return;
      await this.#look(path).catch((error: unknown) =>
        this.#tools.log.log('debug', 'a path cannot be looked at', { path, error: errorToData(error) }),
      );
    }
  }

  async #look(path: string): Promise<void> {
    const { registrar } = this.#tools;
    const isRoot = path === this.settings.dir;
    const facts = await lookAt(path, { follow: isRoot });
    const isDirectory = facts?.isDirectory() === true;
    if (isDirectory && (isRoot || (this.settings.recursive && !isOwnDirectory(basename(path)) && !this.#roots.includes(path))))
      await this.#revisit(path);
    if (!isDirectory) this.#dropBelow(path);
    void registrar.examine(path);
  }

  async #revisit(directory: string): Promise<void> {
    const seen = new Set<string>();
    await this.#visit(directory, seen);
    const { registrar } = this.#tools;
    for (const path of registrar.members)
      if (path.startsWith(directory + sep) && !seen.has(path) && !this.#isHidden(path)) void registrar.examine(path);
  }

  /** What was a directory is not one any more. */
  #dropBelow(path: string): void {
    if (!this.#watches.has(path)) return;
    const isBelow = (other: string): boolean => other === path || other.startsWith(path + sep);
    for (const directory of [...this.#watches.keys()]) if (isBelow(directory)) this.#forget(directory);
    for (const member of this.#tools.registrar.members) if (isBelow(member)) void this.#tools.registrar.examine(member);
  }
}
