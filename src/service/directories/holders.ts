/** Which member has which file open: the same file under a second name must not be opened beside it (decision 9). */

import type { BigIntStats } from 'node:fs';

/** Device and inode: what stays the same when a file is renamed or linked. */
export const identityOf = ({ dev, ino }: BigIntStats): string => `${dev}:${ino}`;

interface Holder {
  readonly path: string;
  /** Finds out whether the member is still there, and lets it go if not. */
  readonly settle: () => Promise<void>;
}

/** Shared by all directories of a process. */
export class Holders {
  readonly #byIdentity = new Map<string, Holder>();
  readonly #byPath = new Map<string, string>();

  /** Takes the file for `holder`, giving back what it held; false, with nothing changed, when another path has it for good. */
  async take(identity: string, holder: Holder): Promise<boolean> {
    const other = this.#byIdentity.get(identity);
    if (other !== undefined && other.path !== holder.path) {
      await other.settle();
      const still = this.#byIdentity.get(identity);
      if (still !== undefined && still.path !== holder.path) return false;
    }
    this.release(holder.path);
    this.#byIdentity.set(identity, holder);
    this.#byPath.set(holder.path, identity);
    return true;
  }

  /** The member at `path` is another file now; it holds that one unless somebody else does. */
  renew(identity: string, holder: Holder): void {
    if (this.#byPath.get(holder.path) === identity) return;
    this.release(holder.path);
    if (this.#byIdentity.has(identity)) return;
    this.#byIdentity.set(identity, holder);
    this.#byPath.set(holder.path, identity);
  }

  pathOf(identity: string): string | undefined {
    return this.#byIdentity.get(identity)?.path;
  }

  release(path: string): void {
    const identity = this.#byPath.get(path);
    if (identity === undefined) return;
    this.#byPath.delete(path);
    this.#byIdentity.delete(identity);
  }
}
