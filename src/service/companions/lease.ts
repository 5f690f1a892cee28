/** Holds the lease of a replica and lets nothing be written there without it (docs/engine.md, Fencing and leases). */

import { errorToData, LitestreamError } from '../../base/errors.ts';
import type { LeaseSettings } from '../../engine/options.ts';
import { ProblemLog } from '../../engine/upload/failures.ts';
import { Lease } from '../../replica/lease.ts';
import { LEASE_NAME } from '../../replica/lease-record.ts';
import { honoursConditions } from '../../storage/check/conditions.ts';
import { limited } from '../limited.ts';
import type { CompanionFacts } from '../service.ts';
import type { Companion, CompanionContext, MakeCompanion } from './companion.ts';

/** What giving the lease back may take at a stop, ms. */
const RELEASE_LIMIT = 1000;
/** How long an attempt to take the lease may last, and a first write waits for its answer, ms. */
const FIRST_ANSWER_LIMIT = 5000;
/** Between two looks at an engine that is being opened, ms. */
const OPENING_POLL = 50;

/** For replicas with `lease` in their settings. */
export const leaseCompanion: MakeCompanion = (context) => {
  const settings = context.replica.settings.lease;
  return settings === undefined ? undefined : new LeaseCompanion(settings, context);
};

class LeaseCompanion implements Companion {
  /** It must outlive the uploads. */
  readonly isBeforeFlush = false;
  readonly #settings: LeaseSettings;
  readonly #context: CompanionContext;
  readonly #lease: Lease;
  readonly #problems: ProblemLog;
  readonly #stopping = new AbortController();
  readonly #firstAnswer: PromiseWithResolvers<void> = Promise.withResolvers();
  #running: Promise<void> | undefined;
  #state: 'waiting' | 'held' | 'lost' = 'waiting';
  #since: number;
  /** Why leases are not possible there, once that is known. */
  #unsupported: LitestreamError | undefined;
  #isProbed = false;
  /** The last step failed for this reason. */
  #failure: LitestreamError | undefined;
  /** Somebody wanted to write and was refused. */
  #isWanted = false;
  #isAsked = false;

  constructor(settings: LeaseSettings, context: CompanionContext) {
    const { replica, clock, log } = context;
    const { store } = replica.replica;
    this.#settings = settings;
    this.#context = context;
    this.#lease = new Lease({ store, key: replica.replica.aux.key(LEASE_NAME), ttlMs: settings.ttlMs, owner: settings.owner, clock });
    this.#problems = new ProblemLog(clock, log, {
      level: 'error',
      failing: 'the lease cannot be taken or kept',
      over: 'the lease answers again',
    });
    this.#since = clock.now();
    replica.replica.guardWrites(() => this.#guard());
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    const { clock, log } = this.#context;
    this.#stopping.abort(new LitestreamError('SHUTTING_DOWN', 'the lease is being given back'));
    this.#firstAnswer.resolve();
    await this.#running;
    try {
      await limited({ clock, ms: RELEASE_LIMIT, what: 'giving the lease back' }, (signal) => this.#lease.release({ signal }));
    } catch (error) {
      log.log('warn', 'the lease could not be given back; it expires by itself', { error: errorToData(error) });
    }
  }

  facts(): CompanionFacts {
    const { owner, expiresAt, generation } = this.#lease.holder ?? {};
    const refusal = this.#lease.isHeld || !this.#isAsked ? undefined : this.#refusal();
    return {
      lease: {
        state: this.#state === 'held' && refusal !== undefined ? 'lost' : this.#state,
        ...(owner === undefined ? {} : { owner }),
        ...(generation === undefined ? {} : { fencing: BigInt(generation) }),
        ...(expiresAt === undefined ? {} : { expiresAt }),
      },
      ...(refusal === undefined ? {} : { troubles: [{ of: 'lease', error: errorToData(refusal), since: this.#since }] }),
    };
  }

  /** The first write waits until the lease has been asked for once. */
  async #guard(): Promise<void> {
    this.start();
    await this.#firstAnswer.promise;
    if (this.#lease.isHeld) return;
    this.#isWanted = true;
    throw this.#refusal();
  }

  async #run(): Promise<void> {
    const { clock } = this.#context;
    const { signal } = this.#stopping;
    const thirdMs = this.#settings.ttlMs / 3;
    while (!signal.aborted) {
      await this.#untilOpened();
      const begun = clock.monotonic();
      await this.#attempt(this.#lease.isOurs ? thirdMs : FIRST_ANSWER_LIMIT);
      this.#isAsked = true;
      this.#firstAnswer.resolve();
      if (this.#unsupported !== undefined) return;
      // A failed renewal is repeated sooner: there are few attempts before writes have to stop.
      const pause = (this.#failure === undefined ? thirdMs : thirdMs / 2) - (clock.monotonic() - begun);
      await clock.sleep(Math.max(pause, 10), { signal, unref: true }).catch(() => {});
    }
  }

  /** Whose database this is shows when its engine is opened; before, there is nothing to write. */
  async #untilOpened(): Promise<void> {
    const { clock, database } = this.#context;
    const { signal } = this.#stopping;
    while (!this.#isAsked && !signal.aborted && (await database.status()).engine.state === 'starting')
      await clock.sleep(OPENING_POLL, { signal, unref: true }).catch(() => {});
  }

  /** Another process of this machine, so of the same owner name, replicates the database: its lease is not to be taken from it. */
  async #refuseOwned(): Promise<void> {
    if (this.#state === 'held') return;
    const { error } = (await this.#context.database.status()).engine;
    if (error?.code === 'DB_OWNED')
      throw new LitestreamError('DB_OWNED', error.message, error.hint === undefined ? {} : { hint: error.hint });
  }

  async #attempt(limitMs: number): Promise<void> {
    const { clock } = this.#context;
    const limit = { clock, ms: limitMs, what: 'asking for the lease', signal: this.#stopping.signal };
    try {
      const isOurs = await limited(limit, async (signal) => {
        await this.#refuseOwned();
        await this.#probe(signal);
        return this.#unsupported === undefined && (await this.#lease.step({ signal }));
      });
      this.#failure = undefined;
      if (this.#unsupported === undefined) this.#problems.succeeded();
      this.#note(isOurs);
    } catch (thrown) {
      if (this.#stopping.signal.aborted) return;
      const error = errorToData(thrown);
      this.#failure = new LitestreamError(error.code, error.message, {
        cause: thrown,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
      this.#problems.failed(error.code, { error });
      if (!this.#lease.isOurs) this.#note(false);
    }
  }

  /** Once: a store that accepts conditions and ignores them would make two holders. */
  async #probe(signal: AbortSignal): Promise<void> {
    if (this.#isProbed) return;
    const { store } = this.#context.replica.replica;
    if (!(await honoursConditions(store, this.#context.replica.replica.aux.key('lease-probe'), { signal }))) {
      this.#unsupported = unsupported(store.destination);
      this.#problems.failed('NOT_SUPPORTED', { error: errorToData(this.#unsupported) });
    }
    this.#isProbed = true;
  }

  #note(isOurs: boolean): void {
    const was = this.#state;
    if (isOurs) this.#state = 'held';
    else if (was === 'held') this.#state = 'lost';
    if (this.#state !== was) this.#changed();
    // Refused for want of a renewal only.
    else if (isOurs && this.#isWanted) this.#context.replica.retryNow();
    if (isOurs) this.#isWanted = false;
  }

  #changed(): void {
    const { replica, log, clock, count } = this.#context;
    const { owner, generation } = this.#lease.holder ?? {};
    this.#since = clock.now();
    if (this.#state === 'held') log.log('info', 'holding the lease', { fencing: generation ?? null });
    else {
      count('lease_losses');
      log.log('error', 'the lease was lost: nothing more is written to this replica until it is ours again', { holder: owner ?? null });
    }
    // Others write there in between, and that is in order.
    replica.retryNow({ othersWrote: true });
  }

  /** Why nothing may be written now. */
  #refusal(): LitestreamError {
    if (this.#unsupported !== undefined) return this.#unsupported;
    const { destination } = this.#context.replica.replica.store;
    if (this.#state === 'held') return unconfirmed(destination, this.#failure);
    // It passes by itself, as somebody else's lease does not.
    if (this.#failure !== undefined && this.#state === 'waiting') return this.#failure;
    const { owner, expiresAt, damaged } = this.#lease.holder ?? {};
    const who = damaged === true ? 'its lease is empty or damaged' : `${owner ?? 'an unnamed process'} holds its lease`;
    const until = expiresAt === undefined ? '' : ` until ${new Date(expiresAt).toISOString()} unless it is renewed`;
    const details = { ...(owner === undefined ? {} : { holder: owner }), ...(expiresAt === undefined ? {} : { expires_at: expiresAt }) };
    if (this.#state === 'lost') return lost(destination, who + until, details);
    return heldBy(destination, who + until, details);
  }
}

type Details = Readonly<Record<string, unknown>>;

const unsupported = (destination: string): LitestreamError =>
  new LitestreamError('NOT_SUPPORTED', `cannot hold a lease at ${destination}: it does not keep conditions when it replaces an object`, {
    hint: 'Remove lease from the replica: create-only writes still detect a second writer. Or use a destination with conditional writes.',
  });

const heldBy = (destination: string, why: string, details: Details): LitestreamError =>
  new LitestreamError('LEASE_HELD', `cannot write to ${destination}: ${why}`, {
    details,
    hint: 'Replication begins by itself when the holder gives the lease back or falls silent.',
  });

const lost = (destination: string, why: string, details: Details): LitestreamError =>
  new LitestreamError('LEASE_LOST', `cannot write to ${destination}: the lease was taken from us, ${why}`, {
    details: { ...details, taken: true },
    hint: 'Let only one machine run the application. What was not sent is kept beside the database; replication goes on when the lease is free.',
  });

const unconfirmed = (destination: string, cause: LitestreamError | undefined): LitestreamError =>
  new LitestreamError('LEASE_LOST', `cannot write to ${destination}: the lease could not be renewed in time`, {
    cause,
    hint: cause?.hint ?? 'Writing goes on as soon as the lease can be renewed.',
  });
