/** Watches for changes of one database: the directory it lies in, or the nearest one that exists while it does not. */

import { existsSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { watchDirectory } from './directory-watch.ts';

export class ChangeWatch {
  readonly #path: string;
  readonly #onChange: () => void;
  #directory: string | undefined;
  #stop: (() => void) | undefined;

  /** `path` of the database file. `onChange` is called once per event, often and in vain: it has to be cheap. */
  constructor(path: string, onChange: () => void) {
    this.#path = path;
    this.#onChange = onChange;
  }

  /** Starts, or moves on to a directory that has appeared meanwhile. */
  arm(): void {
    const directory = nearestExisting(dirname(this.#path));
    if (directory === this.#directory && this.#stop !== undefined) return;
    this.disarm();
    const own = directory === dirname(this.#path);
    const names = new Set([basename(this.#path), `${basename(this.#path)}-wal`]);
    this.#stop = watchDirectory(directory, (name) => {
      if (!own || name === undefined || names.has(name)) this.#onChange();
    });
    this.#directory = directory;
  }

  disarm(): void {
    this.#stop?.();
    this.#stop = undefined;
    this.#directory = undefined;
  }
}

function nearestExisting(directory: string): string {
  for (let at = directory; ; at = dirname(at)) if (existsSync(at) || at === dirname(at)) return at;
}
