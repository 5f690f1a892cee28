/** What verification has shown since this process started. */

import type { TXID } from '../formats/ltx/txid.ts';

export interface Proof {
  readonly outcome: 'passed' | 'failed' | 'inconclusive';
  readonly replica: string;
  readonly txid?: TXID;
  /** ms since the epoch. */
  readonly at: number;
}

export class Proofs {
  readonly #latest = new Map<string, Proof>();

  record(database: string, proof: Proof): void {
    this.#latest.set(database, proof);
  }

  /** The newest proof of a database, by its path. */
  of(database: string): Proof | undefined {
    return this.#latest.get(database);
  }
}
