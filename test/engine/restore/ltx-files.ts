/** Replicas made of LTX files with known pages, and the naive database that says what restoring them must give. */

import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { LTXEncoder } from '../../../src/formats/ltx/encoder.ts';
import { formatLTXName } from '../../../src/formats/ltx/filename.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { lockPage } from '../../../src/formats/sqlite/page-size.ts';
import { between } from '../../support/random.ts';

export interface Change {
  readonly commit: number;
  readonly pages: ReadonlyMap<number, Uint8Array>;
}

/** The bytes of an LTX file. */
export function encode(pageSize: number, min: number, max: number, { commit, pages }: Change, timestamp: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  const header = { pageSize, commit, minTXID: toTXID(min), maxTXID: toTXID(max), timestamp };
  using encoder = new LTXEncoder((chunk) => void chunks.push(Uint8Array.from(chunk)), header);
  for (const [pgno, page] of [...pages].sort(([a], [b]) => a - b)) encoder.writePage(pgno, (into) => into.set(page));
  encoder.finish();
  return Buffer.concat(chunks);
}

/** Puts a file into a file replica at `root` and returns its path. */
export function store(root: string, level: number, min: number, max: number, bytes: Uint8Array, timestamp: number): string {
  const directory = join(root, 'ltx', String(level));
  mkdirSync(directory, { recursive: true });
  const path = join(directory, formatLTXName({ minTXID: toTXID(min), maxTXID: toTXID(max) }));
  writeFileSync(path, bytes);
  utimesSync(path, (timestamp + 0.0005) / 1000, (timestamp + 0.0005) / 1000);
  return path;
}

/** A database that changes at random: its state after each transaction and what each transaction changed. */
export class NaiveDatabase {
  readonly pageSize: number;
  readonly #random: () => number;
  readonly states: Change[] = [{ commit: 0, pages: new Map() }];
  readonly changes: Change[] = [{ commit: 0, pages: new Map() }];

  constructor(pageSize: number, random: () => number) {
    this.pageSize = pageSize;
    this.#random = random;
  }

  /** Changes some pages, and sometimes grows, shrinks or writes everything. */
  step(largest: number): void {
    const before = this.#last();
    const choice = this.#random();
    const full = before.commit === 0 || choice < 0.05;
    const commit =
      before.commit === 0 || choice > 0.6 ? between(this.#random, 1, largest) : Math.max(1, before.commit + between(this.#random, -1, 1));
    const pages = new Map<number, Uint8Array>();
    for (let pgno = 1; pgno <= commit; pgno++) {
      if (pgno === lockPage(this.pageSize)) continue;
      if (full || pgno > before.commit || pgno === 1 || this.#random() < 0.15) pages.set(pgno, this.#page());
    }
    this.changes.push({ commit, pages });
    this.states.push(merge([before, { commit, pages }]));
  }

  /** What a file of this range holds. */
  range(min: number, max: number): Change {
    return merge(this.changes.slice(min, max + 1));
  }

  /** The database file after a transaction. */
  file(txid: number): Buffer {
    const state = this.states[txid];
    if (state === undefined) throw new Error(`no state ${txid}`);
    const bytes = Buffer.alloc(state.commit * this.pageSize);
    for (const [pgno, page] of state.pages) bytes.set(page, (pgno - 1) * this.pageSize);
    return bytes;
  }

  #last(): Change {
    const last = this.states.at(-1);
    if (last === undefined) throw new Error('no state');
    return last;
  }

  #page(): Uint8Array {
    const page = new Uint8Array(this.pageSize);
    const used = between(this.#random, 1, this.pageSize);
    for (let at = 0; at < used; at += between(this.#random, 1, 64)) page[at] = between(this.#random, 0, 255);
    return page;
  }
}

function merge(changes: readonly Change[]): Change {
  const commit = changes.at(-1)?.commit ?? 0;
  const pages = new Map<number, Uint8Array>();
  for (const change of changes) {
    for (const pgno of [...pages.keys()]) if (pgno > change.commit) pages.delete(pgno);
    for (const [pgno, page] of change.pages) pages.set(pgno, page);
  }
  for (const pgno of [...pages.keys()]) if (pgno > commit) pages.delete(pgno);
  return { commit, pages };
}
