/** Compares what is committed in the WAL with what lies in the local log, whatever the engine says about either. */

import { stat } from 'node:fs/promises';
import type { Clock } from '../../base/clock.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import { localHeader, newestLocal } from './local-newest.ts';
import { isCommittedBehind } from './wal-commits.ts';

export interface WALWatchOptions {
  /** The level-0 directory. */
  readonly directory: string;
  /** What is younger is on its way, ms. */
  readonly graceMs: number;
}

export class WALWatch {
  readonly #walPath: string;
  readonly #clock: Clock;
  readonly #options: WALWatchOptions;
  /** The WAL as it was when everything in it was captured. */
  #settled: string | undefined;
  /** The newest local file when something behind it was first seen, and when, monotonic ms. */
  #mark: { readonly txid: TXID; readonly at: number } | undefined;

  constructor(walPath: string, clock: Clock, options: WALWatchOptions) {
    this.#walPath = walPath;
    this.#clock = clock;
    this.#options = options;
  }

  /** For how long something committed has certainly waited to be captured, ms; 0 when nothing has. One `stat` while nothing changes. */
  async waitingMs(): Promise<number> {
    const now = this.#clock.monotonic();
    const found = await fingerprint(this.#walPath);
    if (found === undefined || found === this.#settled) return this.#over();
    const { directory, graceMs } = this.#options;
    const txid = await newestLocal(directory);
    if (txid === undefined) return this.#over(); // nothing was captured yet: that is judged by the time since the start
    // The mark is the first commit behind a file; the next file has it.
    if (this.#mark !== undefined && txid > this.#mark.txid) this.#mark = undefined;
    const header = await localHeader(directory, txid);
    if (header === undefined || header.walOffset === 0) return this.#over();
    const captured = { salt1: header.walSalt1, salt2: header.walSalt2, end: header.walOffset + header.walSize };
    if (!(await isCommittedBehind(this.#walPath, captured))) {
      this.#settled = found;
      return this.#over();
    }
    this.#mark ??= { txid, at: now };
    const waiting = this.#clock.monotonic() - this.#mark.at;
    return waiting > graceMs ? waiting : 0;
  }

  #over(): 0 {
    this.#mark = undefined;
    return 0;
  }
}

async function fingerprint(path: string): Promise<string | undefined> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true });
    return size === 0n ? undefined : `${ino}:${size}:${mtimeNs}`;
  } catch {
    return undefined;
  }
}
