/** Keeps the local log within its bound when a replica does not take it, and says so loudly (docs/engine.md, Several replicas; decision 49). */

import type { Clock } from '../../base/clock.ts';
import { errorToData, LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { BacklogSettings } from '../../engine/options.ts';
import { chooseCut, type Demand, furthestOf, isBeyond, type Waiting } from '../../engine/upload/backlog.ts';
import type { LocalFile, LocalLog } from '../../engine/upload/local-log.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { CompanionFacts } from '../service.ts';

/** The uploads of one replica as far as their backlog goes. */
export interface BackloggedUploads {
  readonly position: TXID | undefined;
  readonly waiting: Waiting;
  readonly isCutOff: boolean;
  cutOff(upTo: TXID, since: number): void;
}

/** The backlog of one replica. */
export class ReplicaBacklog {
  readonly name: string;
  readonly uploads: BackloggedUploads;
  readonly #bound: BacklogSettings | undefined;
  readonly #clock: Clock;
  #since: number | undefined;

  constructor(name: string, uploads: BackloggedUploads, bound: BacklogSettings | undefined, clock: Clock) {
    this.name = name;
    this.uploads = uploads;
    this.#bound = bound;
    this.#clock = clock;
  }

  /** More waits for the replica than may. */
  get isBeyond(): boolean {
    return this.#bound !== undefined && isBeyond(this.uploads.waiting, this.#bound, this.#clock.now());
  }

  /** A trouble from the moment the bound is passed until the replica has everything again. */
  facts(): CompanionFacts {
    if (!this.isBeyond && !this.uploads.isCutOff) this.#since = undefined;
    else this.#since ??= this.#clock.now();
    if (this.#since === undefined) return {};
    return { troubles: [{ of: 'backlog', error: errorToData(this.#exceeded()), since: this.#since }] };
  }

  #exceeded(): LitestreamError {
    const { bytes } = this.uploads.waiting;
    const bound = this.#bound;
    const limits = bound === undefined ? 'the bound' : `${bound.bytes} bytes or ${Math.round(bound.ageMs / 1000)} s`;
    const consequence = this.uploads.isCutOff
      ? 'local files it still needed have been removed, and a snapshot takes their place when it takes files again'
      : 'the oldest ones are removed now';
    return new LitestreamError('BACKLOG_EXCEEDED', `more than ${limits} of changes wait for replica ${this.name}: ${consequence}`, {
      details: { bytes, ...(bound === undefined ? {} : { bound_bytes: bound.bytes, bound_seconds: Math.round(bound.ageMs / 1000) }) },
      hint: 'Make the destination take files again (look at the error of the replica), or raise max-local-bytes and max-local-age.',
    });
  }
}

/** Least distance between two looks that only the age of files asks for, ms. */
const AGE_LOOK_INTERVAL = 10_000;

export interface BacklogOptions {
  /** Absent: nothing is ever removed before every replica has it. */
  readonly bound: BacklogSettings | undefined;
  readonly local: LocalLog;
  /** As of now. */
  readonly replicas: () => readonly ReplicaBacklog[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** The backlog of a database. */
export class Backlog {
  readonly #options: BacklogOptions;
  #running: Promise<void> | undefined;
  #isAskedAgain = false;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: BacklogOptions) {
    this.#options = options;
  }

  /** Begins to remove what is beyond the bound, if anything is. Cheap otherwise: called with every local file. */
  check(): void {
    const { bound, replicas, log } = this.#options;
    if (bound === undefined) return;
    if (this.#running !== undefined) {
      this.#isAskedAgain = true;
      return;
    }
    if (!this.#isDue(bound)) return;
    this.#running = this.#cut(bound, replicas())
      .catch((thrown: unknown) => log.log('warn', 'removing local files beyond the bound failed', { error: errorToData(thrown) }))
      .finally(() => {
        this.#running = undefined;
        if (this.#isAskedAgain) {
          this.#isAskedAgain = false;
          this.check();
        }
      });
  }

  /** Resolves when nothing is being removed. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  #isDue({ bytes }: BacklogSettings): boolean {
    const { replicas, clock } = this.#options;
    const beyond = replicas().filter(({ isBeyond: is }) => is);
    if (beyond.length === 0) return false;
    const now = clock.monotonic();
    if (!beyond.some(({ uploads }) => uploads.waiting.bytes > bytes) && now - this.#lookedAt < AGE_LOOK_INTERVAL) return false;
    this.#lookedAt = now;
    return true;
  }

  async #cut(bound: BacklogSettings, replicas: readonly ReplicaBacklog[]): Promise<void> {
    const { local, clock } = this.#options;
    const files = await local.list();
    const demands = replicas.map((replica): Demand => ({ position: replica.uploads.position, isBeyond: replica.isBeyond }));
    const doomed = chooseCut(files, demands, bound, clock.now());
    const [oldest] = doomed;
    const newest = doomed.at(-1);
    if (oldest === undefined || newest === undefined) return;
    await local.remove(doomed);
    const losers = replicas.filter(({ uploads }) => uploads.position === undefined || uploads.position < newest.txid);
    for (const { uploads } of losers) {
      uploads.cutOff(newest.txid, doomed.find(({ txid }) => txid > (uploads.position ?? 0n))?.at ?? oldest.at);
    }
    this.#tell(doomed, losers, furthestOf(demands));
  }

  #tell(doomed: readonly LocalFile[], losers: readonly ReplicaBacklog[], furthest: TXID | undefined): void {
    const { log } = this.#options;
    const nowhere = doomed.filter(({ txid }) => furthest === undefined || txid > furthest);
    const names = losers.map(({ name }) => name);
    log.log('error', 'the bound of the local log is reached: files that a replica still needs were removed; it needs a snapshot to go on', {
      code: 'BACKLOG_EXCEEDED',
      replicas: names,
      ...summary(doomed),
    });
    if (nowhere.length === 0) return;
    log.log(
      'error',
      'CHANGES THAT NO REPLICA HAS were removed from the local log: they are in the database only, and the moments between them cannot be restored',
      { code: 'BACKLOG_EXCEEDED', replicas: names, ...summary(nowhere) },
    );
  }
}

const summary = (files: readonly LocalFile[]) => ({
  files: files.length,
  bytes: files.reduce((sum, { size }) => sum + size, 0),
  first: formatTXID(files[0]?.txid ?? (0n as TXID)),
  last: formatTXID(files.at(-1)?.txid ?? (0n as TXID)),
});
