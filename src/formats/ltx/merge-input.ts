/** One file of a merge: a place in its pages, moved on run by run. */

import type { LTXHeader } from './header.ts';
import type { PageBatch, StoredRun } from './page-reader.ts';
import { type DecodedLTX, LTXPullDecoder, type PullDecoderOptions } from './pull-decoder.ts';

/** An LTX file as a sequence of bytes. */
export interface MergeSource {
  /** For messages. */
  readonly name: string;
  /** Puts the next bytes of the file into `into` and returns how many; 0 means the end. */
  read(into: Uint8Array): number;
}

export class MergeInput {
  readonly header: LTXHeader;
  readonly #source: MergeSource;
  readonly #decoder: LTXPullDecoder;
  #batch: PageBatch | undefined;
  /** A copy: views of kernel memory do not outlive its growth. */
  #pgnos: Uint32Array = new Uint32Array();
  #at = 0;
  #bytesRead = 0;

  /** Reads the header only. */
  constructor(source: MergeSource, options: Omit<PullDecoderOptions, 'name'>) {
    this.#source = source;
    this.#decoder = new LTXPullDecoder({ ...options, name: source.name });
    while (this.#decoder.header === undefined) if (!this.#read()) this.#decoder.end();
    this.header = this.#decoder.header;
  }

  get name(): string {
    return this.#source.name;
  }

  get bytesRead(): number {
    return this.#bytesRead;
  }

  /** The page this input is at; infinite when there are no more. */
  get pgno(): number {
    return this.#pgnos[this.#at] ?? Number.POSITIVE_INFINITY;
  }

  /** Goes to the first page, or to the one behind the decoded batch. */
  load(): void {
    this.#at = 0;
    this.#batch = this.#decoder.next();
    while (this.#batch === undefined && this.#read()) this.#batch = this.#decoder.next();
    this.#pgnos = this.#batch === undefined ? new Uint32Array() : this.#batch.pgnos.slice();
  }

  /** How many pages from the current one on have consecutive numbers below `limit` and are decoded; at most `most`. */
  run(limit: number, most: number): number {
    const first = this.pgno;
    let count = 0;
    while (count < most && first + count < limit && this.#pgnos[this.#at + count] === first + count) count++;
    return count;
  }

  /** How the file stores the next pages, as many of `count` as are in block form. */
  stored(count: number): StoredRun | undefined {
    return this.#decoder.stored(this.#at, count);
  }

  /** Copies the next `count` pages. */
  copy(count: number, into: Uint8Array): void {
    const { pageSize } = this.header;
    const pages = this.#batch?.pages.subarray(this.#at * pageSize, (this.#at + count) * pageSize);
    if (pages !== undefined) into.set(pages);
  }

  /** Passes over `count` pages of the decoded batch. */
  skip(count: number): void {
    this.#at += count;
    if (this.#at >= this.#pgnos.length) this.load();
  }

  /** Verifies the file, whose pages have all been passed. */
  end(): DecodedLTX {
    return this.#decoder.end();
  }

  [Symbol.dispose](): void {
    this.#decoder[Symbol.dispose]();
  }

  #read(): boolean {
    const count = this.#source.read(this.#decoder.window());
    this.#bytesRead += count;
    if (count > 0) this.#decoder.accept(count);
    return count > 0;
  }
}
