/** The level-0 files this process created itself: nobody can have put others in their place where puts are create-only. */

import type { TXID } from '../formats/ltx/txid.ts';
import type { FileInfo } from './file-info.ts';

/** Far more than are merged at once. */
const MOST = 4096;

export class CreatedFiles {
  /** Stored sizes by TXID, oldest first; absent while there are none. */
  #sizes: Map<TXID, number> | undefined;
  #isTrusted = true;

  /** A put that may not replace has created `file`. */
  add({ level, minTXID, maxTXID, size }: FileInfo): void {
    if (level !== 0 || minTXID !== maxTXID || !this.#isTrusted) return;
    this.#sizes ??= new Map();
    this.#sizes.set(maxTXID, size);
    const [oldest] = this.#sizes.keys();
    if (this.#sizes.size > MOST && oldest !== undefined) this.#sizes.delete(oldest);
  }

  clear(): void {
    this.#sizes = undefined;
  }

  /** The store turned out to replace what it was asked to create: nothing is known of it from now on. */
  distrust(): void {
    this.#isTrusted = false;
    this.clear();
  }

  has({ level, minTXID, maxTXID, size }: FileInfo): boolean {
    return level === 0 && minTXID === maxTXID && this.#sizes?.get(maxTXID) === size;
  }
}
