/** What is known of the levels of a replica between two passes, so that a replica without changes costs no request. */

import type { TXID } from '../../formats/ltx/txid.ts';
import { NO_TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo, Level } from '../../replica/file-info.ts';

export class Ledger {
  readonly #newest = new Map<Level, FileInfo | undefined>();
  /** Absent while there is none: most levels end where their source does. */
  #settled: Map<Level, TXID> | undefined;

  /** The level was listed, or a file was added to it. */
  note(level: Level, newest: FileInfo | undefined): void {
    const known = this.#newest.get(level);
    if (known === undefined || (newest !== undefined && newest.maxTXID >= known.maxTXID)) this.#newest.set(level, newest);
  }

  /** Everything up to `source` has been looked at, and nothing was left to be done. */
  settle(level: Level, source: TXID): void {
    this.#settled = (this.#settled ?? new Map()).set(level, source);
  }

  isSettled(level: Level, source: TXID): boolean {
    const end = this.end(level);
    return (end !== undefined && end >= source) || (this.#settled?.get(level) ?? NO_TXID) >= source;
  }

  isKnown(level: Level): boolean {
    return this.#newest.has(level);
  }

  newest(level: Level): FileInfo | undefined {
    return this.#newest.get(level);
  }

  /** Where the level ends, 0 when it is empty; undefined while that is unknown. */
  end(level: Level): TXID | undefined {
    return this.#newest.has(level) ? (this.#newest.get(level)?.maxTXID ?? NO_TXID) : undefined;
  }

  /** Something unexpected was met: nothing is known any more. */
  forget(): void {
    this.#newest.clear();
    this.#settled = undefined;
  }
}
