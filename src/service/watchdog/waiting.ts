/** Since when local transactions have been waiting for a replica, measured by the monotonic clock: files' times and the wall clock may be set. */

import type { TXID } from '../../formats/ltx/txid.ts';

/** Least distance between two samples, ms. */
const DISTANCE = 5000;
/** From this many on every second one goes; the oldest stays. */
const MOST = 200;

interface Sample {
  readonly txid: TXID;
  /** Monotonic ms. */
  readonly at: number;
}

export class Waiting {
  #samples: Sample[] = [];

  /** The newest local transaction that was ever noted and is not dropped yet. */
  get newest(): TXID | undefined {
    return this.#samples.at(-1)?.txid;
  }

  /** `txid` is the newest local transaction now. */
  note(txid: TXID, now: number): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && (txid <= last.txid || now - last.at < DISTANCE)) return;
    this.#samples.push({ txid, at: now });
    if (this.#samples.length > MOST) this.#samples = this.#samples.filter((_, index) => index % 2 === 0);
  }

  /** For how long a transaction after `confirmed` has certainly been waiting, ms; 0 when none is known. */
  waitingMs(confirmed: TXID | undefined, now: number): number {
    const oldest = this.#samples.find(({ txid }) => confirmed === undefined || txid > confirmed);
    return oldest === undefined ? 0 : Math.max(0, now - oldest.at);
  }

  /** Everything up to `txid` is there. */
  drop(txid: TXID): void {
    this.#samples = this.#samples.filter((sample) => sample.txid > txid);
  }
}
