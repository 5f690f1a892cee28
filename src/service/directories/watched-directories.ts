/** All watched directories of a process. */

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { DirectoryStatus } from '../service.ts';
import type { StopLimits } from '../stop-limits.ts';
import type { DirectorySettings } from './options.ts';
import { pacedWatch } from './paced-watch.ts';
import { Desk, type MemberService, Registrar } from './registrar.ts';
import { type WatchDirectory, watchDirectory } from './watch.ts';
import { WatchedDirectory } from './watched-directory.ts';

export interface WatchedDirectoriesOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly service: MemberService;
  /** For the last upload of a member that goes. */
  readonly limits: StopLimits;
  readonly watch?: WatchDirectory;
}

export class WatchedDirectories {
  readonly #watched: readonly WatchedDirectory[];

  /** Those of `directories` that are to be watched. */
  constructor(
    directories: readonly DirectorySettings[],
    { clock, log, service, limits, watch = watchDirectory }: WatchedDirectoriesOptions,
  ) {
    const desk = new Desk();
    this.#watched = directories
      .filter((settings) => settings.watch)
      .map((settings) => {
        const own = log.with({ directory: settings.dir });
        const registrar = new Registrar(settings, desk, { service, log: own, now: () => clock.now(), limits });
        return new WatchedDirectory(settings, { clock, log: own, watch: pacedWatch(watch, clock), registrar });
      });
  }

  start(): void {
    for (const directory of this.#watched) directory.start();
  }

  /** Nothing is taken in or let go any more; databases stay as they are. */
  stop(): void {
    for (const directory of this.#watched) directory.stop();
  }

  status(): DirectoryStatus[] {
    return this.#watched.map((directory) => directory.status());
  }
}
