/** The pages of one state of a live database: newest WAL frame up to a fixed end, else the database file. */

import { type ReadAt, readFully } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { lockPage } from '../../formats/sqlite/page-size.ts';

/** Neighbouring pages. */
export interface PageRun {
  readonly first: number;
  readonly count: number;
}

export interface PageSourceOptions {
  /** Bytes. */
  readonly pageSize: number;
  /** Page number → file offset of the page in the WAL. */
  readonly pages: ReadonlyMap<number, number>;
  readonly readWAL: ReadAt;
  readonly readDatabase: ReadAt;
  /** What a page beyond the end of the database file reads as: SQLite itself reads zeros there, an increment must not rely on it. */
  readonly beyondEnd: 'zeros' | 'refuse';
}

export class PageSource {
  readonly #options: PageSourceOptions;

  constructor(options: PageSourceOptions) {
    this.#options = options;
  }

  /** Fills `into` with pages `first` … of a run. PAGE_MISSING for a page that is nowhere, where that is refused. */
  readRun(first: number, into: Uint8Array): void {
    const { pageSize, pages, readWAL } = this.#options;
    const count = into.length / pageSize;
    let i = 0;
    while (i < count) {
      const offset = pages.get(first + i);
      if (offset !== undefined) {
        const page = into.subarray(i * pageSize, (i + 1) * pageSize);
        if (readFully(readWAL, offset, page) < pageSize)
          throw new LitestreamError('DB_NOT_READY', `reading the WAL: page ${first + i} is gone`);
        i++;
        continue;
      }
      const start = i;
      while (i < count && !pages.has(first + i)) i++;
      this.#readDatabase(first + start, into.subarray(start * pageSize, i * pageSize));
    }
  }

  #readDatabase(first: number, into: Uint8Array): void {
    const { pageSize, readDatabase, beyondEnd } = this.#options;
    const done = readFully(readDatabase, (first - 1) * pageSize, into);
    if (done === into.length) return;
    if (beyondEnd === 'refuse') {
      const pgno = first + Math.floor(done / pageSize);
      throw new LitestreamError('PAGE_MISSING', `reading the database file: page ${pgno} is neither there nor in the WAL`, {
        details: { pgno },
      });
    }
    into.fill(0, done);
  }
}

/** Pages 1…commit without the lock page, in runs of at most `maxRun`. */
export function* allPages(commit: number, pageSize: number, maxRun: number): Generator<PageRun, void, void> {
  const lock = lockPage(pageSize);
  for (let first = 1; first <= commit; ) {
    if (first === lock) {
      first++;
      continue;
    }
    const end = first < lock && lock <= commit ? lock : commit + 1;
    const count = Math.min(maxRun, end - first);
    yield { first, count };
    first += count;
  }
}

/** Ascending page numbers, neighbours taken together, in runs of at most `maxRun`. */
export function* runsOf(pgnos: readonly number[], maxRun: number): Generator<PageRun, void, void> {
  for (let i = 0; i < pgnos.length; ) {
    const first = pgnos[i] ?? 0;
    let count = 1;
    while (count < maxRun && pgnos[i + count] === first + count) count++;
    yield { first, count };
    i += count;
  }
}

/** What an increment has to hold: the pages of its range, and every page by which the database grew (docs/engine.md, Writing a level-0 file). Ascending, without the lock page. */
export function incrementPages(pages: ReadonlyMap<number, number>, previousCommit: number, commit: number, pageSize: number): number[] {
  const pgnos = [...pages.keys()];
  const lock = lockPage(pageSize);
  for (let pgno = previousCommit + 1; pgno <= commit; pgno++) if (!pages.has(pgno) && pgno !== lock) pgnos.push(pgno);
  return pgnos.sort((a, b) => a - b);
}
