/** What one round sends: the local files that follow what the replica has, in TXID order, one put each. */

import type { Clock } from '../../base/clock.ts';
import type { LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { formatTXID, NO_TXID, nextTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { Replica } from '../../replica/replica.ts';
import type { UploadEvent } from './events.ts';
import { isFullFile, otherHistory } from './history.ts';
import { type LocalFile, type LocalLog, missingLocalFile } from './local-log.ts';
import type { UploadProgress } from './progress.ts';
import type { UploadQueue } from './upload-queue.ts';
import { isLocalDamage } from './verified.ts';
import type { Whereabouts } from './whereabouts.ts';

export interface FileSenderParts {
  readonly replica: Replica;
  readonly local: LocalLog;
  readonly queue: UploadQueue;
  readonly progress: UploadProgress;
  readonly where: Whereabouts;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onEvent: (event: UploadEvent) => void;
}

export class FileSender {
  readonly #parts: FileSenderParts;
  #position: TXID | undefined;

  constructor(parts: FileSenderParts) {
    this.#parts = parts;
  }

  /** Where the next file goes; unknown before the first listing, and after `forget`. */
  get position(): TXID | undefined {
    return this.#position;
  }

  /** The next call asks the replica anew: after every error, and when somebody else has written there. */
  forget(): void {
    this.#position = undefined;
  }

  /** Sends what is pending now, at most `most` files; true when more of it is left. Stops at the first error. */
  async send(most: number, signal: AbortSignal): Promise<boolean> {
    const { queue, local } = this.#parts;
    this.#position ??= await this.#locate(signal);
    let position = this.#position;
    const pending = queue.length;
    const count = Math.min(pending, most);
    for (let sent = 0; sent < count; sent++) {
      // Files below the position were finished before the engine heard that the replica is ahead.
      queue.drop(position);
      const file = queue.first;
      if (file === undefined) break;
      const needed = nextTXID(position);
      if (file.txid !== needed) throw this.#gap(missingLocalFile(needed, local.path(needed)));
      await this.#sendOne(file, position, signal);
      position = file.txid;
    }
    return count < pending;
  }

  async #locate(signal: AbortSignal): Promise<TXID> {
    const { where, progress, replica } = this.#parts;
    const { position, stand } = await where.locate(signal);
    if (stand === 'other') throw this.#gap(otherHistory(replica, position));
    if (stand === 'ahead') this.#setAhead(position);
    else progress.continues();
    return position;
  }

  /** A damaged file is never published, and what comes after it needs a snapshot first, as after a missing one. */
  async #sendOne(file: LocalFile, position: TXID, signal: AbortSignal): Promise<void> {
    const { local, where, replica } = this.#parts;
    const path = local.path(file.txid);
    try {
      if (where.needsFull && !isFullFile(path)) throw this.#gap(otherHistory(replica, position));
      await this.#sendSound(file, signal);
    } catch (error) {
      throw isLocalDamage(error, path) ? this.#gap(error) : error;
    }
  }

  async #sendSound({ txid }: LocalFile, signal: AbortSignal): Promise<void> {
    const { local, where, replica, progress, clock, onEvent } = this.#parts;
    const started = clock.monotonic();
    const { body, timestamp, pageSize } = await local.take(txid);
    const isNewSize = await where.changesPageSize(pageSize, signal);
    const { size } = await replica.write(0, txid, txid, body, { createdAt: timestamp, isLocalFile: true, signal });
    this.#position = txid;
    where.sent(txid);
    const at = progress.uploaded(txid);
    if (isNewSize) onEvent({ type: 'page-size', txid });
    onEvent({ type: 'uploaded', txid, size, durationMs: clock.monotonic() - started, at });
  }

  /** Tells that this replica needs a snapshot, and hands `error` back. */
  #gap(error: LitestreamError): LitestreamError {
    const { onEvent, progress } = this.#parts;
    onEvent({ type: 'gap', needed: nextTXID(progress.confirmed ?? NO_TXID) });
    return error;
  }

  #setAhead(floor: TXID): void {
    const { progress, log, onEvent } = this.#parts;
    if (!progress.goesAhead(floor)) return;
    log.log('warn', 'the replica is ahead of the local log: going on with a full file after it', { floor: formatTXID(floor) });
    onEvent({ type: 'ahead', floor });
  }
}
