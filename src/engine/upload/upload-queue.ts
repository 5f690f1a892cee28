/** Local files that a replica does not have yet, in TXID order. */

import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import type { LocalFile } from './local-log.ts';

export class UploadQueue {
  #files: LocalFile[] = [];
  /** Files before this index are done; cutting the array at each one would cost a copy of the rest. */
  #head = 0;
  #bytes = 0;
  #newest: TXID = NO_TXID;

  get length(): number {
    return this.#files.length - this.#head;
  }

  /** The next file to send. */
  get first(): LocalFile | undefined {
    return this.#files[this.#head];
  }

  /** Bytes of all files waiting. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Largest TXID that is or was in the queue. */
  get newest(): TXID {
    return this.#newest;
  }

  /** Adds a file that was just finished; one that is not newer than the rest is known already. */
  push(file: LocalFile): void {
    if (file.txid <= this.#newest) return;
    this.#newest = file.txid;
    this.#files.push(file);
    this.#bytes += file.size;
  }

  /** Starts over with what the directory holds; newer files that were pushed meanwhile stay. */
  replace(listed: readonly LocalFile[]): void {
    const end = listed.at(-1)?.txid ?? NO_TXID;
    this.#set([...listed, ...this.#files.slice(this.#head).filter((file) => file.txid > end)]);
  }

  /** Forgets everything, also what was the newest. */
  clear(): void {
    this.#set([]);
  }

  /** Forgets the files up to `position`. */
  drop(position: TXID): void {
    while (this.first !== undefined && this.first.txid <= position) {
      this.#bytes -= this.first.size;
      this.#head += 1;
    }
    if (this.length === 0 || (this.#head > 1024 && this.#head * 2 > this.#files.length)) {
      this.#files = this.#files.slice(this.#head);
      this.#head = 0;
    }
  }

  #set(files: LocalFile[]): void {
    this.#files = files;
    this.#head = 0;
    this.#bytes = files.reduce((sum, file) => sum + file.size, 0);
    this.#newest = files.at(-1)?.txid ?? NO_TXID;
  }
}
