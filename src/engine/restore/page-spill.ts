/** Newest pages set aside one behind the other, until an older file brings their neighbours and all can be written in one piece. */

import { statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import type { RestoreDisk } from './disk.ts';
import { HEADROOM_BYTES } from './output.ts';

/** Bounds of the index, which is in memory, and of the file. */
const MAX_PAGES = 2 ** 18;
const MAX_BYTES = 2 ** 30;

/**
 * Bytes that may be set aside beside a result of `resultBytes` at `path`; 0 when it is better not done.
 *
 * Pages are fetched back one by one, which is cheap only as long as the system keeps them in memory, so result and spill must fit into half of it.
 */
export function spillRoom(path: string, resultBytes: number): number {
  const { bavail, bsize } = statfsSync(dirname(path));
  const disk = bavail * bsize - resultBytes - HEADROOM_BYTES;
  const memory = process.availableMemory() / 2 - resultBytes;
  return Math.max(0, Math.min(disk, memory));
}

export interface PageSpillOptions {
  readonly disk: RestoreDisk;
  /** Of a file that must not exist. It is made when the first page comes and loses its name at once. */
  readonly path: string;
  readonly pageSize: number;
  /** Bytes of pages that it may ever take. */
  readonly room: number;
}

/** Errors are those of the disk, as they are. */
export class PageSpill {
  readonly #options: PageSpillOptions;
  readonly #capacity: number;
  /** Where in the file each page lies, counted in pages. */
  readonly #slots = new Map<number, number>();
  #fd: number | undefined;
  #used = false;
  #taken = 0;

  constructor(options: PageSpillOptions) {
    this.#options = options;
    this.#capacity = Math.min(MAX_PAGES, Math.floor(Math.min(MAX_BYTES, options.room) / options.pageSize));
  }

  /** The file was made, even if nothing could be put into it. */
  get used(): boolean {
    return this.#used;
  }

  /** Whether `count` more pages may be put. */
  accepts(count: number): boolean {
    return this.#taken + count <= this.#capacity;
  }

  has(pgno: number): boolean {
    return this.#slots.has(pgno);
  }

  /** The pages that were put and not taken, in ascending order. */
  pgnos(): number[] {
    return [...this.#slots.keys()].sort((a, b) => a - b);
  }

  /** Sets aside `bytes`, the pages of these numbers one behind the other. */
  put(pgnos: Uint32Array, bytes: Uint8Array): void {
    const { disk, pageSize } = this.#options;
    disk.write(this.#open(), bytes, this.#taken * pageSize);
    for (const pgno of pgnos) this.#slots.set(pgno, this.#taken++);
  }

  /** Takes a page out again, into `into`. It must have been put. */
  take(pgno: number, into: Uint8Array): void {
    const slot = this.#slots.get(pgno);
    if (slot === undefined || this.#fd === undefined) throw new Error(`page ${pgno} was not set aside`);
    this.#options.disk.read(this.#fd, into, slot * this.#options.pageSize);
    this.#slots.delete(pgno);
  }

  /** Gives the space back. */
  close(): void {
    if (this.#fd === undefined) return;
    const fd = this.#fd;
    this.#fd = undefined;
    this.#options.disk.close(fd);
  }

  #open(): number {
    if (this.#fd !== undefined) return this.#fd;
    const { disk, path } = this.#options;
    this.#fd = disk.create(path);
    this.#used = true;
    disk.unlink(path);
    return this.#fd;
  }
}
