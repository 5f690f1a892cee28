/** How far one replica has come, and how far behind it is. */

import type { Clock } from '../../base/clock.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import type { UploadQueue } from './upload-queue.ts';

export interface ProgressFacts {
  /** Largest TXID known to be at the replica. */
  readonly txid?: TXID;
  readonly lagTXIDs?: bigint;
  /** Age of the oldest change that is not there, seconds. */
  readonly lagSeconds: number;
  readonly pendingBytes: number;
  /** ms since the epoch. */
  readonly lastUploadAt?: number;
  readonly lastConfirmedAt?: number;
}

export class UploadProgress {
  readonly #clock: Clock;
  readonly #queue: UploadQueue;
  readonly #startedAt: number;
  #confirmed: TXID | undefined;
  /** Confirmed by an earlier process. */
  #remembered: TXID | undefined;
  #ahead: { readonly floor: TXID; readonly since: number } | undefined;
  #cut: { readonly upTo: TXID; readonly since: number } | undefined;
  #lastUploadAt: number | undefined;
  #lastConfirmedAt: number | undefined;

  constructor(clock: Clock, queue: UploadQueue) {
    this.#clock = clock;
    this.#queue = queue;
    this.#startedAt = clock.now();
  }

  /** Largest position that this process has seen at the replica; undefined before the first answer. */
  get confirmed(): TXID | undefined {
    return this.#confirmed;
  }

  /** Least position the replica must have, by what this process or an earlier one has seen there. */
  get least(): TXID | undefined {
    return this.#confirmed ?? this.#remembered;
  }

  /** Up to where the replica is further than the local log, while it is. */
  get ahead(): TXID | undefined {
    return this.#ahead?.floor;
  }

  /** Nothing is known of the replica any more. */
  forget(): void {
    this.#confirmed = undefined;
    this.#remembered = undefined;
    this.#ahead = undefined;
    this.#cut = undefined;
  }

  /** What an earlier process has seen at the replica. */
  remember(position: TXID | undefined): void {
    this.#remembered = position;
  }

  /** The replica said that it is at `position`. */
  located(position: TXID): void {
    this.#confirmed = position;
    this.#queue.drop(position);
    if (this.#cut !== undefined && position >= this.#cut.upTo) this.#cut = undefined;
  }

  /** Local files up to `upTo` that were not there yet are gone; the oldest change among them is of `since`, ms since the epoch. */
  cutOff(upTo: TXID, since: number): void {
    this.#cut = { upTo, since: Math.min(since, this.#cut?.since ?? since) };
    this.#queue.drop(upTo);
  }

  /** True while the replica lacks changes whose local files are gone. */
  get isCutOff(): boolean {
    return this.#cut !== undefined;
  }

  /** It is our history that ends there; nothing may be pending. */
  continues(): void {
    this.#ahead = undefined;
    if (this.#queue.length === 0) this.#lastConfirmedAt = this.#clock.now();
  }

  /** The replica is further than the local log up to `floor`; false when that is known. */
  goesAhead(floor: TXID): boolean {
    if (this.#ahead?.floor === floor) return false;
    this.#ahead = { floor, since: this.#clock.now() };
    return true;
  }

  /** A file was sent; returns the time, ms since the epoch. */
  uploaded(txid: TXID): number {
    const at = this.#clock.now();
    this.#ahead = undefined;
    this.#lastUploadAt = at;
    this.#lastConfirmedAt = at;
    this.located(txid);
    return at;
  }

  facts(): ProgressFacts {
    const confirmed = this.#confirmed;
    const behind = confirmed === undefined || this.#queue.newest < confirmed ? undefined : this.#queue.newest - confirmed;
    return {
      lagSeconds: this.#lagSeconds(),
      pendingBytes: this.#queue.bytes,
      ...(confirmed === undefined ? {} : { txid: confirmed }),
      ...(behind === undefined ? {} : { lagTXIDs: behind }),
      ...(this.#lastUploadAt === undefined ? {} : { lastUploadAt: this.#lastUploadAt }),
      ...(this.#lastConfirmedAt === undefined ? {} : { lastConfirmedAt: this.#lastConfirmedAt }),
    };
  }

  #lagSeconds(): number {
    const now = this.#clock.now();
    const ages = [this.#ahead, this.#cut].flatMap((trouble) => (trouble === undefined ? [] : [now - trouble.since]));
    const oldest = this.#queue.first;
    // With no word from the replica, now or earlier, old local files may well be there: only the time since we ask is certain.
    if (oldest !== undefined) ages.push(this.least === undefined ? Math.min(now - oldest.at, now - this.#startedAt) : now - oldest.at);
    return Math.max(0, ...ages) / 1000;
  }
}
