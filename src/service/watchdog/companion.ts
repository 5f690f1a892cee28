/** Watches one replica by what lies there and in the local log, not by what its uploads say (docs/engine.md, Watchdog). */

import { stat } from 'node:fs/promises';
import { type ErrorData, errorToData, LitestreamError } from '../../base/errors.ts';
import { isAbsence } from '../../base/system-error.ts';
import { ProblemLog } from '../../engine/upload/failures.ts';
import { formatTXID, NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import type { Companion, CompanionContext, MakeCompanion } from '../companions/companion.ts';
import { limited } from '../limited.ts';
import type { CompanionFacts } from '../service.ts';
import { newestLocal } from './local-newest.ts';
import { lookAtNewest, lookWhole } from './replica-look.ts';
import { Waiting } from './waiting.ts';

/** Least distance between two listings, ms; none without changes. */
const LISTING_INTERVAL = 5 * 60_000;
/** The same where a listing costs no request. */
const FREE_LISTING_INTERVAL = 60_000;
/** Least distance between two snapshots that are to make the replica whole again, ms. */
const HEALING_INTERVAL = 5 * 60_000;
/** The same for listings of all levels where each is a request. */
const WHOLE_INTERVAL = 60 * 60_000;
/** How often a file in the local file system is looked for, which costs no request, ms. */
const PROBE_INTERVAL = 60_000;
/** How long a listing may take, ms. */
const LISTING_LIMIT = 60_000;
/** What a snapshot of the present ends: the newest state cannot be restored. */
const HEALED_BY_SNAPSHOT: ReadonlySet<string> = new Set(['NO_SNAPSHOT', 'LTX_GAP']);
/** Listings that fail in a row before that is a trouble of its own: what makes uploads fail tells itself. */
const MOST_FAILURES = 2;

export const watchReplica: MakeCompanion = (context) => new ReplicaWatch(context);

export class ReplicaWatch implements Companion {
  readonly #with: CompanionContext;
  readonly #waiting = new Waiting();
  readonly #problems: ProblemLog;
  readonly #stopping = new AbortController();
  #looking: Promise<void> | undefined;
  #listing: Promise<void> | undefined;
  #healing: Promise<void> | undefined;
  /** Modification time of the local directory when it was last listed. */
  #directoryAt: bigint | undefined;
  /** Largest TXID that a listing has shown. */
  #listed: TXID = NO_TXID;
  /** The file that ends there, looked for in between where files can be looked for. */
  #probe: FileInfo | undefined;
  #isProbeGone = false;
  #probedAt: number;
  #listedAt: number;
  #wholeAt = Number.NEGATIVE_INFINITY;
  #healedAt = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #trouble: { readonly error: ErrorData; readonly since: number } | undefined;

  constructor(context: CompanionContext) {
    this.#with = context;
    this.#problems = new ProblemLog(context.clock, context.log, {
      level: 'error',
      failing: 'the replica does not hold what it should',
      over: 'the replica holds what it should again',
    });
    this.#listedAt = context.clock.monotonic();
    this.#probedAt = this.#listedAt;
  }

  /** Something is being looked at. */
  get isBusy(): boolean {
    return this.#looking !== undefined || this.#listing !== undefined || this.#healing !== undefined;
  }

  start(): void {}

  async stop(): Promise<void> {
    this.#stopping.abort(new LitestreamError('SHUTTING_DOWN', `${this.#with.replica.settings.name} is not watched any more`));
    await Promise.all([this.#looking, this.#listing, this.#healing]);
  }

  look(): void {
    if (this.#stopping.signal.aborted) return;
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
  }

  facts(): CompanionFacts {
    const { clock, replica } = this.#with;
    const waitingMs = this.#waiting.waitingMs(replica.position, clock.monotonic());
    const trouble = this.#trouble;
    return {
      waitingSeconds: waitingMs / 1000,
      ...(trouble === undefined ? {} : { troubles: [{ of: 'watchdog', ...trouble }] }),
    };
  }

  async #look(): Promise<void> {
    const now = this.#with.clock.monotonic();
    await this.#noteLocal(now);
    await this.#probeFile(now);
    if (this.#isDue(now))
      this.#listing ??= this.#list().finally(() => {
        this.#listing = undefined;
      });
  }

  /** One `stat` while nothing is captured. */
  async #noteLocal(now: number): Promise<void> {
    const { directory } = this.#with.local;
    const at = await stat(directory, { bigint: true }).then(
      ({ mtimeNs }) => mtimeNs,
      () => undefined,
    );
    if (at === undefined || at === this.#directoryAt) return;
    const txid = await newestLocal(directory);
    if (txid === undefined) return;
    this.#waiting.note(txid, now);
    // A sample that came too soon after the one before is taken at the next look.
    if (this.#waiting.newest === undefined || this.#waiting.newest >= txid) this.#directoryAt = at;
  }

  /** Looks for a file that must be there, without asking the store. */
  async #probeFile(now: number): Promise<void> {
    if (now - this.#probedAt < PROBE_INTERVAL) return;
    this.#probedAt = now;
    const { replica, position } = this.#with.replica;
    const file = this.#probe ?? (position === undefined || position === NO_TXID ? undefined : levelZero(position));
    const path = file && replica.localPath(file);
    if (path === undefined) return;
    this.#isProbeGone = await stat(path).then(() => false, isAbsence);
  }

  #isDue(now: number): boolean {
    if (this.#isProbeGone) return true;
    const isNews = this.#waiting.newest !== undefined && this.#waiting.newest > this.#listed;
    const interval = this.#isFree ? FREE_LISTING_INTERVAL : LISTING_INTERVAL;
    return (isNews || this.#trouble !== undefined) && now - this.#listedAt >= interval;
  }

  /** Listings cost no request. */
  get #isFree(): boolean {
    return this.#with.replica.replica.store.localPath !== undefined;
  }

  async #list(): Promise<void> {
    const { scheduler, clock, replica } = this.#with;
    const signal = this.#stopping.signal;
    const what = `listing what is at ${replica.replica.store.destination}`;
    try {
      await scheduler.withBudget(
        'listing',
        () => limited({ clock, ms: LISTING_LIMIT, what, signal }, (call) => this.#compare(call)),
        signal,
      );
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      if (this.#failures >= MOST_FAILURES) this.#tell(errorToData(error));
    } finally {
      this.#isProbeGone = false;
      this.#probe = undefined;
      this.#listedAt = clock.monotonic();
    }
  }

  async #compare(signal: AbortSignal): Promise<void> {
    const { replica, position = NO_TXID } = this.#with.replica;
    if (position === NO_TXID) return; // nothing is said to be there
    const isWhole = this.#isFree || this.#trouble !== undefined || this.#with.clock.monotonic() - this.#wholeAt >= WHOLE_INTERVAL;
    const newest = isWhole ? undefined : await lookAtNewest(replica, position, signal);
    const found = newest === undefined ? await lookWhole(replica, position, signal) : { newest };
    if (newest === undefined) this.#wholeAt = this.#with.clock.monotonic();
    if ('error' in found) return this.#lost(errorToData(found.error));
    this.#probe = found.newest;
    this.#listed = found.newest.maxTXID;
    this.#waiting.drop(this.#listed);
    this.#trouble = undefined;
    this.#problems.succeeded();
  }

  /** The uploads are told to look for themselves: they know what may be done. */
  #lost(error: ErrorData): void {
    this.#tell(error);
    this.#with.replica.retryNow();
    if (HEALED_BY_SNAPSHOT.has(error.code)) this.#heal();
  }

  /** Files that are gone do not come back; a snapshot makes at least the present restorable again. What it could not do stands as the trouble. */
  #heal(): void {
    const { clock, database, log, replica, scheduler } = this.#with;
    const now = clock.monotonic();
    if (this.#healing !== undefined || now - this.#healedAt < HEALING_INTERVAL) return;
    this.#healedAt = now;
    const signal = this.#stopping.signal;
    this.#healing = scheduler
      .withBudget('snapshot', () => database.snapshot(replica, signal), signal)
      .then(
        ({ maxTXID, size }) => {
          log.log('warn', 'a snapshot was written because the newest state could not be restored', { txid: formatTXID(maxTXID), size });
          this.#isProbeGone = true; // look again at once
        },
        (thrown: unknown) => {
          if (signal.aborted) return;
          log.log('warn', 'the snapshot that would make the newest state restorable failed', { error: errorToData(thrown) });
        },
      )
      .finally(() => {
        this.#healing = undefined;
      });
  }

  #tell(error: ErrorData): void {
    this.#trouble = { error, since: this.#trouble?.since ?? this.#with.clock.now() };
    this.#problems.failed(error.code, { error });
  }
}

const levelZero = (txid: TXID): FileInfo => ({ level: 0, minTXID: txid, maxTXID: txid, size: 0, createdAt: 0 });
