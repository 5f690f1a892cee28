/** What a destination can do, found out on a scratch object: each ability with its outcome and, for a failure, its error. */

import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '../../base/clock.ts';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { bytesBody, readAll } from '../body.ts';
import type { CallOptions, ObjectInfo, ObjectStore, PutOptions } from '../object-store.ts';
import { isRefused } from './conditions.ts';

/** In the order they are done. */
export const CHECK_STEPS = ['write', 'stat', 'read', 'list', 'time', 'create', 'replace', 'delete', 'delete-missing'] as const;
export type CheckStepName = (typeof CHECK_STEPS)[number];

/** `missing`: the destination does not offer it. `skipped`: something before it has failed. */
export type CheckOutcome = 'passed' | 'failed' | 'missing' | 'skipped';

export interface CheckStep {
  readonly name: CheckStepName;
  readonly outcome: CheckOutcome;
  readonly durationMs: number;
  /** What was found, as the end of a sentence; without one everything is as it should be. */
  readonly note?: string;
  readonly error?: unknown;
}

export interface CheckReport {
  readonly steps: readonly CheckStep[];
  /** How far the service's clock is ahead of ours, ms, where its answers tell. Only as good as a second. */
  readonly clockSkewMs?: number;
  /** Scratch objects that could not be deleted. */
  readonly leftovers: readonly string[];
}

/** Longest time of one step, ms. */
const STEP_MS = 30_000;
/** Longest time of cleaning up, ms. */
const CLEAN_MS = 10_000;
/** Differences of clocks that the rounding of services makes, ms. */
const NOTABLE_SKEW_MS = 5_000;

const CONTENT = Buffer.from('litestream check: this object may be deleted\n'.repeat(20));
const RANGE = { offset: 100, length: 200 };

/** Something is not as it must be, without the store having said so. */
const wrong = (text: string): LitestreamError => new LitestreamError('RESPONSE_INVALID', text);

/**
 * Writes, reads and deletes scratch objects whose keys begin with `stem`, in about a dozen requests, and removes them in every case. Rejects
 * only with the signal's reason.
 */
export async function checkStore(
  store: ObjectStore,
  stem: string,
  options: CallOptions & { readonly clock?: Clock } = {},
): Promise<CheckReport> {
  const check = new Check(store, `${stem}-${randomBytes(8).toString('hex')}`, options);
  return check.run();
}

type Found = { readonly note?: string; readonly outcome?: 'missing' } | undefined;

class Check {
  readonly #store: ObjectStore;
  readonly #key: string;
  readonly #other: string;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #createdAt: number;
  readonly #steps: CheckStep[] = [];
  readonly #written = new Set<string>();
  /** When the object was written, by our clock, ms since the epoch. */
  #writing: { readonly begin: number; readonly end: number } | undefined;
  #listed: ObjectInfo | undefined;
  #stat: ObjectInfo | undefined;
  #tag: string | undefined;
  #skewMs: number | undefined;

  constructor(store: ObjectStore, key: string, { signal, clock = systemClock }: CallOptions & { readonly clock?: Clock }) {
    this.#store = store;
    this.#key = key;
    this.#other = `${key}-2`;
    this.#clock = clock;
    this.#signal = signal;
    // Not now: the store's own time must not be taken for it.
    this.#createdAt = Math.floor(clock.now() / 1000) * 1000 - 86_400_000 + 123;
  }

  async run(): Promise<CheckReport> {
    let leftovers: readonly string[] = [];
    try {
      const hasWritten = await this.#do('write', true, () => this.#write());
      await this.#do('stat', hasWritten, () => this.#look());
      await this.#do('read', hasWritten, () => this.#read());
      await this.#do('list', true, () => this.#list(hasWritten));
      await this.#do('time', hasWritten && this.#stat !== undefined, async () => this.#time());
      await this.#do('create', hasWritten, () => this.#create());
      const mayReplace = this.#tag !== undefined || !this.#store.capabilities.conditionalReplace;
      await this.#do('replace', hasWritten && mayReplace, () => this.#replace());
      await this.#do('delete', hasWritten, () => this.#delete());
      await this.#do('delete-missing', hasWritten && this.#passed('delete'), () => this.#deleteAgain());
    } finally {
      if (!this.#passed('delete')) leftovers = await this.#cleanUp();
    }
    return { steps: this.#steps, ...(this.#skewMs === undefined ? {} : { clockSkewMs: this.#skewMs }), leftovers };
  }

  /** Does a step if what it needs is there; true when it passed. */
  async #do(name: CheckStepName, isPossible: boolean, work: () => Promise<Found>): Promise<boolean> {
    this.#signal?.throwIfAborted();
    if (!isPossible) {
      this.#steps.push({ name, outcome: 'skipped', durationMs: 0 });
      return false;
    }
    const start = this.#clock.monotonic();
    const durationMs = () => this.#clock.monotonic() - start;
    try {
      const { note, outcome = 'passed' } = (await work()) ?? {};
      this.#steps.push({ name, outcome, durationMs: durationMs(), ...(note === undefined ? {} : { note }) });
      return outcome === 'passed';
    } catch (error) {
      this.#signal?.throwIfAborted();
      this.#steps.push({ name, outcome: 'failed', durationMs: durationMs(), error: asOurs(error) });
      return false;
    }
  }

  #passed(name: CheckStepName): boolean {
    return this.#steps.some((step) => step.name === name && step.outcome === 'passed');
  }

  #call(): CallOptions {
    const limit = AbortSignal.timeout(STEP_MS);
    return { signal: this.#signal === undefined ? limit : AbortSignal.any([this.#signal, limit]) };
  }

  async #write(): Promise<undefined> {
    const begin = this.#clock.now();
    await this.#store.put(this.#key, bytesBody(CONTENT), { ...this.#call(), createdAt: this.#createdAt });
    this.#writing = { begin, end: this.#clock.now() };
    this.#written.add(this.#key);
  }

  async #look(): Promise<undefined> {
    this.#stat = await this.#store.stat(this.#key, this.#call());
    if (this.#stat.size !== CONTENT.length) throw wrong(`the object has ${this.#stat.size} bytes where ${CONTENT.length} were written`);
  }

  async #read(): Promise<Found> {
    const bytes = await readAll(await this.#store.open(this.#key, { ...this.#call(), ...RANGE }));
    const expected = CONTENT.subarray(RANGE.offset, RANGE.offset + RANGE.length);
    if (Buffer.compare(bytes, expected) !== 0) throw wrong('a range of the object holds other bytes than were written');
    return this.#store.capabilities.rangeRead ? undefined : { note: 'ranges cost the whole object up to their end' };
  }

  /** Without a written object the right to list is what can be found out. */
  async #list(hasWritten: boolean): Promise<undefined> {
    for await (const object of this.#store.list(this.#key, this.#call())) {
      if (object.key === this.#key) this.#listed = object;
      if (this.#listed !== undefined) break;
    }
    if (hasWritten && this.#listed === undefined) throw wrong('the object that was just written is not in the listing');
    this.#measureClock();
  }

  /** Where the time we gave does not come back with the listing, the listing has the service's own. */
  #measureClock(): void {
    if (this.#listed === undefined || this.#writing === undefined || this.#store.capabilities.timestamps === 'listing') return;
    const { createdAt } = this.#listed;
    // A listing may have our time, only less exactly.
    if (Math.abs(createdAt - this.#createdAt) < NOTABLE_SKEW_MS) return;
    const { begin, end } = this.#writing;
    // The service may have dated it at any moment of the write: a slow one is no wrong clock.
    const skew = createdAt - Math.min(Math.max(createdAt, begin), end);
    if (Math.abs(skew) >= NOTABLE_SKEW_MS) this.#skewMs = Math.round(skew);
  }

  #time(): Found {
    const { timestamps } = this.#store.capabilities;
    if (timestamps === 'none') return { outcome: 'missing', note: 'exact times are read from the files themselves' };
    const found = timestamps === 'listing' && this.#listed !== undefined ? this.#listed : this.#stat;
    if (found?.createdAt === this.#createdAt) return timestamps === 'stat' ? { note: 'exact times cost one request a file' } : undefined;
    throw wrong('the time that was stored with the object did not come back');
  }

  async #create(): Promise<Found> {
    if (!this.#store.capabilities.conditionalPut)
      return { outcome: 'missing', note: 'a second writer is noticed late, by the bytes it left' };
    try {
      this.#tag = await this.#put('1', { ifAbsent: true });
      if (await isRefused(this.#put('2', { ifAbsent: true }))) return undefined;
    } catch (error) {
      if (hasCode(error, 'NOT_SUPPORTED')) return { outcome: 'missing', note: 'a second writer is noticed late, by the bytes it left' };
      throw error;
    }
    throw wrong('create-only writes are accepted and ignored: a second writer would overwrite files unnoticed');
  }

  async #replace(): Promise<Found> {
    const { conditionalReplace } = this.#store.capabilities;
    const first = this.#tag;
    if (!conditionalReplace || first === undefined) return { outcome: 'missing', note: 'no lease is possible here' };
    const second = await this.#put('3', { ifMatch: first });
    if (second !== undefined && second !== first && (await isRefused(this.#put('4', { ifMatch: first })))) return undefined;
    throw wrong('replacing a certain version only is accepted and ignored: a lease here would have two owners');
  }

  async #put(content: string, condition: Pick<PutOptions, 'ifAbsent' | 'ifMatch'>): Promise<string | undefined> {
    const { tag } = await this.#store.put(this.#other, bytesBody(Buffer.from(content)), { ...condition, ...this.#call() });
    this.#written.add(this.#other);
    return tag;
  }

  async #delete(): Promise<undefined> {
    await this.#store.delete([this.#key, this.#other], this.#call());
    try {
      await this.#store.stat(this.#key, this.#call());
    } catch (error) {
      // Who may not list is refused a look at what is not there; while it was there, it could be looked at.
      if (hasCode(error, 'OBJECT_NOT_FOUND') || (hasCode(error, 'ACCESS_DENIED') && this.#passed('stat'))) return;
      throw error;
    }
    throw wrong('the object is still there after it was deleted');
  }

  async #deleteAgain(): Promise<undefined> {
    await this.#store.delete([this.#key], this.#call());
  }

  /** Keys that are left. */
  async #cleanUp(): Promise<readonly string[]> {
    const tried = this.#steps.some(({ name, outcome }) => name === 'write' && outcome !== 'skipped') || this.#signal?.aborted === true;
    if (!tried) return [];
    try {
      await this.#store.delete([this.#key, this.#other], { signal: AbortSignal.timeout(CLEAN_MS) });
      return [];
    } catch {
      return [...this.#written];
    }
  }
}

function asOurs(error: unknown): unknown {
  if (!(error instanceof Error && error.name === 'TimeoutError')) return error;
  return new LitestreamError('TIMEOUT', `no answer within ${STEP_MS / 1000} s`, { cause: error });
}
