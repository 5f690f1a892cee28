/** When the engine of one database is open: from the start, after a change, for as long as it is used; closed in between where the settings allow it. */

import type { Clock } from '../../base/clock.ts';
import { errorToData } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { NoticedBy } from '../../engine/cold/cold-watch.ts';
import { type ColdPlace, hasChanged } from '../../engine/cold/fingerprint.ts';
import type { DatabaseEngine } from '../../engine/database-engine.ts';
import type { EngineEvent } from '../../engine/events.ts';
import type { DatabaseSettings } from '../../engine/options.ts';
import type { EngineKeeper } from '../engine-keeper.ts';
import { limited } from '../limited.ts';
import type { Budget, Scheduler } from '../schedule/scheduler.ts';
import type { ColdFacts } from '../service.ts';
import { lockRootOf } from './shared-locks.ts';
import type { ColdSupport } from './support.ts';
import type { WarmMember } from './warm-set.ts';
import { Warmth } from './warmth.ts';

export interface EngineLifeOptions {
  readonly settings: DatabaseSettings;
  readonly keeper: EngineKeeper;
  readonly clock: Clock;
  readonly log: Logger;
  readonly scheduler: Scheduler;
  /** Undefined: nothing is ever closed. */
  readonly support: ColdSupport | undefined;
  /** Everything captured is at the replicas that count. */
  readonly isReplicated: () => boolean;
  /** Aborted when the database is being stopped. */
  readonly signal: AbortSignal;
}

/** How long an opening counts as being under way, ms: an engine may have to wait for replicas, or copy much. */
const OPENING_LIMIT = 10_000;
/** A database that was only opened to see what had happened before the start is closed when nothing more has for so long, ms. */
const FIRST_PATIENCE = 250;
/** After a closing that was in vain, ms. */
const RETRY = 1000;
/** After it turned out that the directory cannot be watched, ms. */
const UNWATCHABLE_RETRY = 3_600_000;

type State = 'closed' | 'opening' | 'warm' | 'cooling' | 'cold';

export class EngineLife implements WarmMember {
  readonly #options: EngineLifeOptions;
  readonly #support: ColdSupport | undefined;
  readonly #warmth: Warmth;
  #state: State = 'closed';
  /** Of the change of state under way. */
  #changing: Promise<void> = Promise.resolve();
  #users = 0;
  /** Monotonic ms. */
  #usedAt: number;
  #notBefore = 0;
  #coldSince = 0;
  #place: ColdPlace | undefined;
  #counts: { readonly wakes: number; readonly fullFileWakes: number } | undefined;
  /** Opened at the start, and nobody has written since. Monotonic ms. */
  #openedFirstAt: number | undefined;
  /** The first file since it was woken has not come yet. */
  #isFresh = false;
  #firstState: (() => void) | undefined;

  constructor(options: EngineLifeOptions) {
    const { settings, support, clock } = options;
    this.#options = options;
    this.#support = settings.coldAfterMs === undefined ? undefined : support;
    this.#warmth = new Warmth(settings.coldAfterMs ?? 0);
    this.#usedAt = clock.monotonic();
  }

  get isCold(): boolean {
    return this.#state === 'cold';
  }

  /** Undefined while it may not be closed by its settings. */
  get facts(): ColdFacts | undefined {
    if (this.#support === undefined) return undefined;
    const { wakes = 0, fullFileWakes = 0 } = this.#counts ?? {};
    return { wakes, fullFileWakes, patienceMs: this.#warmth.patienceMs };
  }

  /** Until it has been open once. */
  get isFirstLook(): boolean {
    return this.#state === 'opening' && this.#place === undefined;
  }

  get idleMs(): number {
    return this.#options.clock.monotonic() - this.#usedAt;
  }

  get patienceMs(): number {
    return Math.min(this.#warmth.patienceMs, this.#openedFirstAt === undefined ? Number.POSITIVE_INFINITY : FIRST_PATIENCE);
  }

  /** Opens the engine for the first time, in its turn. `open` is to open the keeper. */
  begin(open: () => Promise<void>): Promise<void> {
    return this.#change('opening', async () => {
      await this.#open('opening', open);
      this.#openedFirstAt = this.#usedAt;
    });
  }

  /** Runs `work` with an open engine; a cold database is woken for it. DB_NOT_OPEN when there is no engine. */
  async use<T>(work: (engine: DatabaseEngine) => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      if (this.#support !== undefined) await this.wake();
      return await work(this.#options.keeper.running);
    } finally {
      this.#users -= 1;
      this.#usedAt = this.#options.clock.monotonic();
    }
  }

  /** Resolves when the engine is open, or has been on its way for long. */
  async wake(): Promise<void> {
    while (this.#state === 'cooling') await this.#changing;
    if (this.#options.signal.aborted) return; // the stop looks after it
    if (this.#state === 'cold') {
      this.#support?.watch.disarm(this.#options.settings.name);
      await this.#change('opening', () => this.#wake());
    } else if (this.#state === 'opening' && this.#place !== undefined) await this.#changing;
  }

  observe(event: EngineEvent): void {
    if (event.type === 'state' && event.state !== 'starting') this.#firstState?.();
    if (event.type !== 'synced') return;
    this.#usedAt = this.#options.clock.monotonic();
    if (this.#usedAt - (this.#openedFirstAt ?? this.#usedAt) > FIRST_PATIENCE) this.#openedFirstAt = undefined;
    if (this.#isFresh && event.fullReason !== undefined) this.#noteFullFile();
    this.#isFresh = false;
  }

  canCool(isPressed: boolean): boolean {
    const { keeper, clock, isReplicated, signal } = this.#options;
    if (this.#state !== 'warm' || this.#users > 0 || clock.monotonic() < this.#notBefore || signal.aborted) return false;
    const { state } = keeper.view.last;
    return state === 'waiting' || (state === 'replicating' && (isPressed || isReplicated()));
  }

  async cool(isPressed: boolean): Promise<boolean> {
    if (!this.canCool(isPressed)) return false;
    await this.#change('cooling', async () => {
      try {
        await this.#cool(isPressed);
      } catch (error) {
        this.#options.log.log('warn', 'the idle database could not be closed', { error: errorToData(error) });
        if (this.#state === 'cooling') this.#stayWarm(RETRY);
      }
    });
    return this.isCold;
  }

  /** Leaves nothing behind that is cold: an unchanged database is let go, a changed one is opened for its final sync. */
  async stop(signal: AbortSignal): Promise<void> {
    const { settings, keeper, log } = this.#options;
    const support = this.#support;
    if (support === undefined) return;
    // One change may begin another while it is waited for.
    for (let seen: Promise<void> | undefined; seen !== this.#changing; ) {
      seen = this.#changing;
      await seen;
    }
    support.warm.leave(this);
    support.listeners.delete(this.#onLockLost);
    if (this.#state !== 'cold' || this.#place === undefined) return;
    support.watch.disarm(settings.name);
    if (hasChanged(this.#place)) {
      keeper.open();
      await limited({ clock: this.#options.clock, ms: OPENING_LIMIT, what: 'the final sync', signal }, () => keeper.running.sync()).catch(
        (error: unknown) => log.log('warn', 'the final sync is tried again', { error: errorToData(error) }),
      );
    } else await support.locks.uncover(settings.metaPath);
    this.#state = 'closed';
  }

  #change(state: State, work: () => Promise<void>): Promise<void> {
    this.#state = state;
    const changing = work();
    this.#changing = changing.catch(() => {}); // whoever asked for the change gets its error
    return changing;
  }

  async #open(budget: Budget, open: () => Promise<void>): Promise<void> {
    const { scheduler, signal } = this.#options;
    await scheduler.withBudget(
      budget,
      async () => {
        await this.#support?.warm.enter(this, signal);
        const { promise, resolve } = Promise.withResolvers<void>();
        this.#firstState = resolve;
        await open();
        await this.#untilKnown(promise);
      },
      signal,
    );
    this.#usedAt = this.#options.clock.monotonic();
    this.#state = 'warm';
  }

  async #untilKnown(state: Promise<void>): Promise<void> {
    const { clock, signal } = this.#options;
    const limit = { clock, ms: OPENING_LIMIT, what: 'opening', signal };
    await limited(limit, () => state).catch(() => {}); // it goes on in the background
    this.#firstState = undefined;
  }

  async #wake(): Promise<void> {
    const { settings, clock, keeper, signal } = this.#options;
    this.#counts = { fullFileWakes: 0, ...this.#counts, wakes: (this.#counts?.wakes ?? 0) + 1 };
    this.#support?.count(settings.path, 'wakes');
    this.#warmth.woke(clock.monotonic() - this.#coldSince);
    this.#isFresh = true;
    try {
      await this.#open('waking', async () => keeper.open());
    } catch (error) {
      if (!signal.aborted) throw error; // else the stop looks after it
      this.#state = 'cold';
    }
  }

  async #cool(isPressed: boolean): Promise<void> {
    const { settings, clock, keeper, isReplicated } = this.#options;
    const support = this.#support;
    const engine = keeper.current;
    if (support === undefined || engine === undefined) return this.#stayWarm(RETRY);
    const lock = await support.locks.hold(settings.lockRoot ?? lockRootOf(settings.metaPath));
    await keeper.view.read(engine);
    if (lock === undefined || this.#users > 0 || !(isPressed || isReplicated())) return this.#stayWarm(RETRY);
    const place = await keeper.cool(lock);
    if (place === undefined) return this.#stayWarm(RETRY);
    this.#place = place;
    this.#openedFirstAt = undefined;
    this.#coldSince = clock.monotonic();
    this.#state = 'cold';
    support.warm.leave(this);
    support.listeners.add(this.#onLockLost);
    const result = await support.watch.arm(settings.name, place, (by) => this.#onChange(by));
    if (result === 'armed') return;
    if (result === 'unwatchable') this.#notBefore = clock.monotonic() + UNWATCHABLE_RETRY;
    queueMicrotask(() => this.#onChange('events'));
  }

  #stayWarm(forMs: number): void {
    this.#state = 'warm';
    this.#notBefore = this.#options.clock.monotonic() + forMs;
  }

  #onChange(by: NoticedBy): void {
    const { settings, log, signal } = this.#options;
    if (by === 'sweep') {
      this.#support?.count(settings.path, 'missed');
      this.#warmth.wasCostly();
      log.log('info', 'a change of the closed database was found without a file event', {});
    }
    this.wake().catch((error: unknown) => {
      if (!signal.aborted) log.log('error', 'waking the database failed', { error: errorToData(error) });
    });
  }

  /** The lock file was removed: whoever came before it was made anew has taken the database. */
  readonly #onLockLost = (root: string): void => {
    const { settings } = this.#options;
    if (!this.isCold || root !== (settings.lockRoot ?? lockRootOf(settings.metaPath))) return;
    this.#support?.locks.covers(settings.metaPath).then(
      (covers) => {
        if (!covers) this.#onChange('events');
      },
      () => this.#onChange('events'),
    );
  };

  #noteFullFile(): void {
    const { wakes = 0, fullFileWakes = 0 } = this.#counts ?? {};
    this.#counts = { wakes, fullFileWakes: fullFileWakes + 1 };
    this.#support?.count(this.#options.settings.path, 'full_files');
    this.#warmth.wasCostly();
  }
}
