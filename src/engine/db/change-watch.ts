/** Watches for changes of one database: the directory it lies in, or the nearest one that exists while it does not. */

import { realpathSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { watchDirectory } from './directory-watch.ts';

interface Place {
  readonly directory: string;
  readonly identity: string;
  /** Undefined where everything matters, because the database's own directory is not there yet. */
  readonly names: readonly string[] | undefined;
}

export class ChangeWatch {
  readonly #path: string;
  readonly #onChange: () => void;
  #place: Place | undefined;
  #stop: (() => void) | undefined;

  /** `path` of the database file. `onChange` is called once per event, often and in vain: it has to be cheap. */
  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  /** Starts, or moves on to a directory that has appeared meanwhile. */
  arm(): void {
    const place = findPlace(this.#path);
    const same = place.identity === this.#place?.identity && place.directory === this.#place.directory;
    if (same && this.#stop !== undefined) return;
    this.disarm();
    this.#stop = watchDirectory(place, this.#onChange);
    this.#place = place;
  }

  /** False when the directory cannot be watched. */
  get isArmed(): boolean {
    return this.#stop !== undefined;
  }

  disarm(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#place = undefined;
  }
}

function findPlace(path: string): Place {
  const real = realPath(path);
  const own = dirname(real);
  for (let directory = own; ; directory = dirname(directory)) {
    const stat = tryStat(directory);
    if (stat === undefined && directory !== dirname(directory)) continue;
    const names = directory === own ? [basename(real), `${basename(real)}-wal`] : undefined;
    return { directory, identity: stat === undefined ? '' : `${stat.dev}:${stat.ino}`, names };
  }
}

/** SQLite keeps the -wal file beside the file that a symbolic link leads to. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** What cannot be looked at cannot be watched either. */
function tryStat(directory: string) {
  try {
    return statSync(directory, { bigint: true });
  } catch {
    return undefined;
  }
}
