/** Lets a replica go on at another destination, which begins with a snapshot of its own (decision 63). */

import type { Clock } from '../base/clock.ts';
import { errorToData } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { ProblemLog } from '../engine/upload/failures.ts';
import type { TXID } from '../formats/ltx/txid.ts';
import { limited } from './limited.ts';
import type { ManagedReplica } from './managed-replica.ts';

export interface ReplicaMovesOptions {
  readonly make: (settings: ReplicaSettings) => Promise<ManagedReplica>;
  /** Puts a level-9 file of the current position there. */
  readonly snapshot: (replica: ManagedReplica, signal: AbortSignal) => Promise<unknown>;
  /** The replica is in use up to there. */
  readonly note: (txid: TXID) => void;
  /** From now on the one stands for the other. */
  readonly replace: (old: ManagedReplica, next: ManagedReplica) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** How long the old destination may take for its last files, ms. */
const LAST_UPLOAD_LIMIT = 30_000;

export class ReplicaMoves {
  readonly #options: ReplicaMovesOptions;
  readonly #problems: ProblemLog;
  #moving: Promise<void> | undefined;

  constructor(options: ReplicaMovesOptions) {
    this.#options = options;
    this.#problems = new ProblemLog(options.clock, options.log, {
      level: 'error',
      failing: 'a replica could not go on at its new destination; it stays at the old one, and it is tried again',
      over: 'a replica goes on at its new destination',
    });
  }

  /** One at a time; resolves when the replica is there, or could not be moved and stays. */
  move(old: ManagedReplica, settings: ReplicaSettings): Promise<void> {
    const { signal } = this.#options;
    this.#moving ??= this.#move(old, settings)
      .then(
        () => this.#problems.succeeded(),
        (thrown: unknown) => {
          const error = errorToData(thrown);
          if (!signal.aborted) this.#problems.failed(error.code, { replica: settings.name, error });
        },
      )
      .finally(() => {
        this.#moving = undefined;
      });
    return this.#moving;
  }

  async settled(): Promise<void> {
    await this.#moving;
  }

  /** The old destination gets everything up to now, the new one a snapshot, and only then it takes the place of the old one. */
  async #move(old: ManagedReplica, settings: ReplicaSettings): Promise<void> {
    const { make, snapshot, note, replace, clock, signal } = this.#options;
    const next = await make(settings);
    try {
      const limit = { clock, ms: LAST_UPLOAD_LIMIT, what: `the last upload to ${old.replica.store.destination}`, signal };
      // Tried once more below; an old destination that is gone must not hold the new one up.
      await limited(limit, (call) => old.flush(call)).catch(() => {});
      note(await next.replica.maxTXID(signal));
      // Where a lease has to be held first, its companion and the uploader do the same after their start.
      if (settings.lease === undefined) await snapshot(next, signal);
    } catch (error) {
      await next.replica.close();
      throw error;
    }
    replace(old, next);
    await old.finish({ deadlineMs: LAST_UPLOAD_LIMIT, retryMs: 500, signal });
  }
}
