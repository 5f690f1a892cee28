/** Where a replica is, whose history ends there, and what may follow; remembered across restarts. */

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { formatTXID, NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import type { Replica } from '../../replica/replica.ts';
import { type Continuity, compareAt, fellBack, type Known, laterThere, otherWriter } from './history.ts';
import type { LocalLog } from './local-log.ts';
import { OwnWrites } from './own-writes.ts';
import { PageSizes } from './page-size.ts';
import type { UploadProgress } from './progress.ts';
import type { PendingSnapshot, UploadMark } from './upload-mark.ts';
import type { UploadQueue } from './upload-queue.ts';

export interface WhereaboutsParts {
  readonly replica: Replica;
  readonly local: LocalLog;
  readonly queue: UploadQueue;
  readonly progress: UploadProgress;
  readonly mark: UploadMark;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Location {
  readonly position: TXID;
  /** `other`: local files wait that are based on another history. `ahead`: the engine has to go on with a full file behind the position. */
  readonly stand: 'continued' | 'ahead' | 'other';
}

/** That nobody else wrote there, by a look before a snapshot was put. */
export interface Alone {
  /** Where the replica was heard to be. */
  readonly heard: TXID | undefined;
  /** Whoever follows begins with every page. */
  readonly isCertain: boolean;
}

export interface ExpectAloneOptions {
  readonly signal?: AbortSignal | undefined;
  /** The look before the put: what was heard and proven since may be the snapshot itself. */
  readonly since?: Alone;
}

export class Whereabouts {
  readonly #parts: WhereaboutsParts;
  readonly #own = new OwnWrites();
  readonly #pageSizes: PageSizes;
  #needsFull = false;
  /** Where our own history was last seen at the replica. */
  #proven: TXID | undefined;
  /** Where a file of ours was last put, file after file. */
  #sent: TXID = NO_TXID;
  /** Where the replica was when it was last asked in this process. */
  #heard: TXID | undefined;
  /** What was known was given up on purpose: that nothing is known is no news. */
  #isForgotten = false;

  constructor(parts: WhereaboutsParts) {
    this.#parts = parts;
    this.#pageSizes = new PageSizes(parts.replica, parts.local);
  }

  /** Nothing shows that local files continue what is at the replica: only a file with every page may follow. */
  get needsFull(): boolean {
    return this.#needsFull;
  }

  /** Least position the replica must have, by what this process has seen there or an earlier one has remembered; undefined when neither has. */
  async remembered(): Promise<TXID | undefined> {
    return this.#parts.progress.least ?? this.#parts.mark.read();
  }

  /** `txid` is or was the newest local file. */
  captured(txid: TXID): void {
    this.#own.captured(txid);
  }

  /** Files of another writer there are in order. */
  othersWrote(): void {
    this.#own.forget();
    this.#parts.replica.forgetCreated();
    this.#heard = undefined;
  }

  /** The replica was at `position` before anything was sent there. */
  heard(position: TXID): void {
    this.#heard ??= position;
  }

  /** Our own history ends at `txid` there. */
  proves(txid: TXID): void {
    if (this.#proven === undefined || txid > this.#proven) this.#proven = txid;
  }

  /** A file of ours was put there as `txid`. */
  sent(txid: TXID): void {
    this.#needsFull = false;
    this.#own.written();
    this.#sent = txid;
    this.proves(txid);
  }

  /** True when a file of `pageSize` is about to follow one of another page size. */
  changesPageSize(pageSize: number, signal: AbortSignal): Promise<boolean> {
    return this.#pageSizes.differs(pageSize, this.#parts.progress.confirmed ?? NO_TXID, signal);
  }

  /** Nothing is known any more, on disk neither. */
  async forget(): Promise<void> {
    this.othersWrote();
    this.#proven = undefined;
    this.#sent = NO_TXID;
    this.#isForgotten = true;
    await this.#parts.mark.remove();
  }

  /** A snapshot is about to be put: a process that dies on the way finds out whether it arrived. */
  async expects(snapshot: PendingSnapshot): Promise<void> {
    this.#parts.mark.expects(snapshot);
    await this.remember({ force: true });
  }

  async remember(options: { readonly force?: boolean } = {}): Promise<void> {
    const { progress, mark, clock } = this.#parts;
    const confirmed = progress.confirmed;
    if (confirmed !== undefined && confirmed > NO_TXID) await mark.write(confirmed, this.#proven, clock.now(), options);
  }

  /** Asks the replica, lists the local files anew, and compares. SECOND_WRITER, POSITION_MISMATCH and what keeps us from writing there are thrown. */
  async locate(signal: AbortSignal): Promise<Location> {
    const { replica, local, queue, progress, mark } = this.#parts;
    // Where others may write, what is there now says nothing about where we go on.
    await replica.mayWrite();
    if (progress.least === undefined) {
      progress.remember(await mark.read());
      this.#proven ??= mark.proven;
    }
    const { least, confirmed } = progress;
    queue.replace(await local.list());
    if (least !== undefined) queue.drop(least);
    this.#own.captured(queue.newest);
    const position = await replica.maxTXID(signal);
    this.#own.check(replica, position);
    if (least !== undefined && position < least) throw fellBack(replica, { least, position, mark: mark.path });
    const { newest } = queue;
    const continuity = await this.#continuityAt(position, newest, signal);
    if (confirmed === undefined && least === undefined && continuity === 'unknown' && !this.#isForgotten) this.#warnOfUnknown(position);
    this.#pageSizes.forget();
    progress.located(position);
    const before = this.#heard;
    this.#heard = position;
    // It has grown since, and not by us.
    if (continuity === 'different' && before !== undefined && position > before) throw otherWriter(replica, position);
    if (continuity === 'different' && newest > position) return { position, stand: 'other' };
    this.#needsFull = continuity !== 'same';
    if (continuity === 'same') this.proves(position);
    return { position, stand: position > newest || continuity === 'different' ? 'ahead' : 'continued' };
  }

  /**
   * Asked around the put of a snapshot up to `upTo`, whose name collides with nothing: the level-0 files that follow there must be ours.
   * SECOND_WRITER when the replica has grown by files that are not, NOT_REPLICATED when it is further than the snapshot.
   */
  async expectAlone(upTo: TXID, { signal, since }: ExpectAloneOptions): Promise<Alone> {
    const heard = since === undefined ? this.#heard : since.heard;
    // Whoever follows a file of ours begins with every page.
    const last = since === undefined ? (this.#proven ?? NO_TXID) : this.#sent;
    if (since?.isCertain === true || last >= upTo) return { heard, isCertain: true };
    const { replica, local, queue } = this.#parts;
    await replica.mayWrite();
    this.#own.captured(queue.newest);
    const position = (await replica.newest(0, { signal }))?.maxTXID ?? NO_TXID;
    this.#own.check(replica, position);
    const continuity = position === NO_TXID ? 'same' : await compareAt(replica, local, this.#known(position, signal));
    // Of an unknown one the local file may have gone in the moment it was sent.
    if (continuity === 'different' && heard !== undefined && position > heard) throw otherWriter(replica, position);
    if (continuity !== 'same' && position > upTo) throw laterThere(replica, position, upTo);
    return { heard, isCertain: false };
  }

  async #continuityAt(position: TXID, newest: TXID, signal: AbortSignal): Promise<Continuity> {
    if (position === NO_TXID) return 'same';
    if (position > newest) return 'unknown';
    return compareAt(this.#parts.replica, this.#parts.local, this.#known(position, signal));
  }

  #known(position: TXID, signal: AbortSignal | undefined): Known {
    return { position, proven: this.#proven, pending: this.#parts.mark.pending, signal };
  }

  /** Loud once: it may be a new machine, or a path that belongs to another database (decision 56). */
  #warnOfUnknown(position: TXID): void {
    const { destination } = this.#parts.replica.store;
    this.#parts.log.log('warn', 'the replica holds a history that this machine does not know: it is continued with a full file', {
      destination,
      txid: formatTXID(position),
      hint: 'If this is the path of another database, give this one its own and restore the other from before this file.',
    });
  }
}
