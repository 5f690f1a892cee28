/** Where a follower keeps what. */

import { basename, dirname, join } from 'node:path';

export interface FollowPlaces {
  readonly copy: string;
  readonly journal: string;
  /** 16 hex digits: where the copy stands, for people and for the original. */
  readonly cursor: string;
  /** Private: state, lock and what is being made. Beside the copy, so that files move between them in one step. */
  readonly directory: string;
  readonly state: string;
  /** A journal that is not yet one: without its name nobody takes it for one. */
  readonly preparedJournal: string;
  /** New pages, each at its place, before they go into the copy. */
  readonly image: string;
  /** A whole new database. */
  readonly base: string;
}

export function followPlaces(copy: string): FollowPlaces {
  const directory = join(dirname(copy), `.${basename(copy)}-follow-litestream`);
  return {
    copy,
    journal: `${copy}-journal`,
    cursor: `${copy}-txid`,
    directory,
    state: join(directory, 'state.json'),
    preparedJournal: join(directory, 'journal'),
    image: join(directory, 'image'),
    base: join(directory, 'base.db'),
  };
}
