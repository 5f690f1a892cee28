/** Notes when level-0 files become readable in a file replica, and which commits each of them holds. */

import { existsSync, type FSWatcher, readdirSync, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import { LTXDecoder } from '../../src/formats/ltx/decoder.ts';
import type { Commits } from './application-child.ts';

export class Arrivals {
  readonly #directory: string;
  readonly #watcher: FSWatcher;
  readonly #known: ReadonlySet<string>;
  /** Monotonic ms by file name. */
  readonly #times = new Map<string, number>();

  /** @param directory of the level; it must exist. Files that are there already do not count. */
  constructor(directory: string) {
    this.#directory = directory;
    this.#known = new Set(readdirSync(directory));
    this.#watcher = watch(directory, (_, file) => {
      if (file === null || !file.endsWith('.ltx') || this.#known.has(file) || this.#times.has(file)) return;
      const time = Number(process.hrtime.bigint()) / 1e6;
      if (existsSync(join(directory, file))) this.#times.set(file, time);
    });
  }

  /** Stops watching. */
  close(): void {
    this.#watcher.close();
  }

  get files(): string[] {
    return readdirSync(this.#directory)
      .filter((file) => file.endsWith('.ltx') && !this.#known.has(file))
      .sort();
  }

  /** ms from the return of each COMMIT to the arrival of the first file that holds it. Throws when one has not arrived. */
  lags({ ends, marks }: Pick<Commits, 'ends' | 'marks'>): number[] {
    const lags: number[] = [];
    for (const file of this.files) {
      const time = this.#times.get(file);
      if (time === undefined) throw new Error(`nobody saw ${file} arrive`);
      const newest = newestMark(readFileSync(join(this.#directory, file)), file);
      for (let at = lags.length; (marks[at] ?? Number.POSITIVE_INFINITY) <= newest; at++) lags.push(time - (ends[at] ?? Number.NaN));
    }
    if (lags.length !== marks.length) throw new Error(`${marks.length - lags.length} commits never arrived`);
    return lags;
  }
}

/** The largest number after `MARK` in the pages of a file, 0 for none; older ones may be left in unused parts of a page. */
function newestMark(bytes: Uint8Array, name: string): number {
  let newest = 0;
  using decoder = new LTXDecoder(
    ({ pages }) => {
      for (const [, number] of Buffer.from(pages)
        .toString('latin1')
        .matchAll(/MARK(\d{8})/g))
        newest = Math.max(newest, Number(number));
    },
    { name },
  );
  decoder.push(bytes);
  decoder.end();
  return newest;
}
