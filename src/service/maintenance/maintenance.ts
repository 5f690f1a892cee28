/** Companion: keeps one replica merged, snapshotted and free of what has outlived its use (docs/engine.md, Levels). */

import { LitestreamError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { MaintenanceSettings } from '../../engine/options.ts';
import { NO_TXID, type TXID } from '../../formats/ltx/txid.ts';
import type { Companion, CompanionContext, MakeCompanion } from '../companions/companion.ts';
import type { CompanionFacts, ReplicaHandle } from '../service.ts';
import { Chores } from './chores.ts';
import { planWorks, type Work } from './plan.ts';
import { Post } from './post.ts';
import { Troubles } from './troubles.ts';

const companions = new WeakMap<ReplicaHandle, Maintenance>();

/** The maintenance of a running replica; undefined when its settings ask for none. */
export const maintenanceOf = (replica: ReplicaHandle): Maintenance | undefined => companions.get(replica);

export const makeMaintenance: MakeCompanion = (context) => {
  const settings = context.replica.settings.maintenance;
  return settings === undefined ? undefined : new Maintenance(context, settings);
};

export class Maintenance implements Companion {
  readonly #context: CompanionContext;
  readonly #troubles: Troubles;
  readonly #chores: Chores;
  readonly #posts: readonly Post[];
  /** Works of one replica follow each other: they read what the others write. */
  readonly #turn = new Semaphore(1);

  constructor(context: CompanionContext, settings: MaintenanceSettings) {
    this.#context = context;
    this.#troubles = new Troubles(context.clock, context.log);
    this.#chores = new Chores(context, settings, this.#troubles);
    const rota = {
      context,
      begins: (post: Post) => this.#begins(post),
      run: (post: Post, signal: AbortSignal) => this.#tick(post, signal),
    };
    this.#posts = planWorks(settings, context.replica.replica.canRead).map((work) => new Post(work, rota));
    companions.set(context.replica, this);
  }

  start(): void {
    for (const post of this.#posts) post.start();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#posts.map((post) => post.stop()));
    companions.delete(this.#context.replica);
  }

  /** What was put off, or has failed a while ago, comes soon after it can be done, whatever the intervals. */
  look(): void {
    this.#chores.tidy();
    if (this.#posts.some((post) => this.#isWaiting(post)) && this.#isReady()) this.#bringForward();
  }

  facts(): CompanionFacts {
    const troubles = this.#troubles.all;
    return { maintenance: this.#facts(), ...(troubles.length === 0 ? {} : { troubles }) };
  }

  #facts(): NonNullable<CompanionFacts['maintenance']> {
    const { snapshotAt, retentionAt = 0 } = this.#chores.facts();
    const compactedAt: Record<number, number> = {};
    let passedAt = retentionAt;
    for (const { work, seenAt } of this.#posts) {
      if (seenAt === undefined) continue;
      if (work.kind === 'level') compactedAt[work.level.level] = seenAt;
      if (work.kind === 'level 0') passedAt = Math.max(passedAt, seenAt);
    }
    return { compactedAt, ...(snapshotAt === undefined ? {} : { snapshotAt }), ...(passedAt === 0 ? {} : { retentionAt: passedAt }) };
  }

  /** Until the returned function is called, nothing is deleted that a chain to `maxTXID` may consist of: for a restore or a verification of this process. */
  hold(maxTXID: TXID): () => void {
    return this.#chores.hold(maxTXID);
  }

  /** Runs `work` while nothing is merged or deleted at the replica. */
  exclusively<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return this.#turn.run(work, signal);
  }

  /**
   * Does everything that may be done now, whatever the schedule says; unforced: what the periods that run have not seen yet. Rejects with
   * the first failure, after everything was tried; NOT_REPLICATED while uploads do not work.
   */
  async runAll(signal: AbortSignal, { isForced = true }: { readonly isForced?: boolean } = {}): Promise<void> {
    this.#expectReady();
    const failures: unknown[] = [];
    for (const post of this.#posts) {
      await this.#turn.run(() => this.#attempt(post, isForced, signal), signal).catch((error: unknown) => failures.push(error));
      signal.throwIfAborted();
    }
    if (failures.length > 0) throw failures[0];
  }

  /** A moment of the schedule has come: false lets it pass, because there is nothing to do. */
  #begins(post: Post): boolean {
    const isAnythingOwed = !this.#isEmpty && this.#posts.some(({ isOwed }) => isOwed);
    if (isAnythingOwed || !this.#troubles.isEmpty || !this.#chores.isSettled(post.work)) return true;
    post.seenAt = this.#context.clock.now();
    return false;
  }

  /** What the schedule asks for; failures are told, and tried again after a while. */
  async #tick(post: Post, signal: AbortSignal): Promise<void> {
    post.isComing = false;
    post.isOwed = !(await this.#isPossible(post.work));
    if (post.isOwed) return;
    // Told by `#attempt`.
    await this.#turn.run(() => this.#attempt(post, false, signal), signal).catch(() => {});
    if (!signal.aborted) this.#bringForward(post);
  }

  /** A snapshot is due once a day or so: one of nothing would be the last for as long. */
  async #isPossible({ kind }: Work): Promise<boolean> {
    if (!this.#isReady()) return false;
    return kind !== 'snapshot' || (!this.#isEmpty && !(await this.#chores.isEngineOpening()));
  }

  /** What is waiting, each within its own budget. */
  #bringForward(done?: Post): void {
    for (const post of this.#posts) {
      if (post !== done && this.#isWaiting(post)) post.bringForward();
    }
  }

  /** Its time has come before its next moment. */
  #isWaiting({ work, isOwed }: Post): boolean {
    return (isOwed && !this.#isEmpty) || this.#troubles.isRetryDue(work.of);
  }

  async #attempt(post: Post, isForced: boolean, signal: AbortSignal): Promise<void> {
    const { work } = post;
    let mayFree = false;
    try {
      mayFree = await this.#chores.run(work, isForced, signal);
    } catch (error) {
      signal.throwIfAborted();
      this.#chores.forget();
      this.#troubles.stands(work.of, error);
      throw error;
    }
    post.seenAt = this.#context.clock.now();
    this.#troubles.isOver(work.of);
    const next = mayFree ? this.#posts.find(({ work: { kind } }) => kind === 'level 0') : undefined;
    // Told as its own trouble.
    if (next !== undefined) await this.#attempt(next, false, signal).catch(() => {});
  }

  /** It has not said where it is, or there is nothing at all. */
  get #isEmpty(): boolean {
    return (this.#context.replica.position ?? NO_TXID) === NO_TXID;
  }

  /** While the uploads fail, or somebody else has what should be ours, the replica is left as it is. */
  #isReady(): boolean {
    const { replica } = this.#context;
    const { lastError, lease } = replica.status();
    return replica.position !== undefined && lastError === undefined && (lease === undefined || lease.state === 'held');
  }

  #expectReady(): void {
    const { replica } = this.#context;
    if (this.#isReady()) return;
    const { lastError, lease } = replica.status();
    const silent = lease === undefined || lease.state === 'held' ? 'it has not said where it is' : 'its lease is not ours';
    const reason = lastError === undefined ? silent : `${lastError.error.code}: ${lastError.error.message}`;
    throw new LitestreamError(
      'NOT_REPLICATED',
      `maintaining ${replica.settings.name}: nothing is changed there while uploads do not work: ${reason}`,
      {
        hint: 'Look at `litestream status`.',
      },
    );
  }
}
