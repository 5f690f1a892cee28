/** A lease on a replica: one holder at a time, a fencing number, and writes that end before another may begin (docs/engine.md, Fencing and leases). */

import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { hasCode, LitestreamError } from '../base/errors.ts';
import { bytesBody, readAll } from '../storage/body.ts';
import type { CallOptions, ObjectStore, PutOptions } from '../storage/object-store.ts';
import { decodeLease, encodeLease, type LeaseRecord } from './lease-record.ts';

/** Part of the time to live after which the holder stops writing: what it has begun has the rest of it to end. */
const WRITING_PART = 0.75;
/** Expiry of a lease that was given back: past by every clock. */
const RELEASED = 0;
/** Attempts that are remembered while the store does not answer. */
const MOST_PENDING = 20;

export interface LeaseOptions {
  readonly store: ObjectStore;
  /** Of the lease object. */
  readonly key: string;
  /** How long a silent holder keeps it, ms. */
  readonly ttlMs: number;
  readonly owner: string;
  readonly clock: Clock;
}

/** Who has the lease, as far as its object tells. */
export interface LeaseHolder {
  readonly owner?: string;
  /** ms since the epoch by the holder's clock; absent when the object cannot be read. */
  readonly expiresAt?: number;
  readonly generation?: number;
  /** The object is there, but it is no lease: empty or damaged. */
  readonly damaged?: true;
}

interface Seen {
  /** Undefined for an object that is no lease. */
  readonly record: LeaseRecord | undefined;
  readonly tag: string;
}

interface Attempt {
  readonly record: LeaseRecord;
  /** When it was made, on both clocks: one of them may have stood still while the machine slept. */
  readonly monotonic: number;
  readonly now: number;
}

/**
 * The holder writes until three quarters of the time to live have passed since it last began to renew, by the monotonic and by the wall clock.
 * Others take over only when they have seen the object unchanged for the whole of it: clocks of different machines are never compared.
 * Calls must not overlap.
 */
export class Lease {
  readonly #options: LeaseOptions;
  #held: { readonly attempt: Attempt; readonly tag: string } | undefined;
  /** Attempts of ours whose answers are not known, newest last. */
  #pending: readonly Attempt[] = [];
  #watched: { readonly tag: string; readonly since: number } | undefined;
  #holder: LeaseHolder | undefined;
  #highest = 0;
  /** A lease of our name was ours once: from now on one of that name is somebody else's. */
  #hasHeld = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
  }

  /** Writing is safe now. */
  get isHeld(): boolean {
    if (this.#held === undefined) return false;
    const { monotonic, now } = this.#held.attempt;
    const { clock, ttlMs } = this.#options;
    const age = Math.max(clock.monotonic() - monotonic, clock.now() - now);
    return age < ttlMs * WRITING_PART;
  }

  /** Nobody was seen to have taken it since it was ours, whether or not it may be written now. */
  get isOurs(): boolean {
    return this.#held !== undefined;
  }

  /** What was last read or written; undefined before. */
  get holder(): LeaseHolder | undefined {
    return this.#holder;
  }

  /**
   * One step: takes the lease if it is free, keeps it if it is ours.
   * @returns whether it is ours. Rejects with what the store says.
   */
  async step(call: CallOptions = {}): Promise<boolean> {
    return this.#held === undefined ? this.#acquire(call) : this.#renew(this.#held, call);
  }

  /** Gives it back, if it is ours: the next one need not wait. The fencing number stays. */
  async release(call: CallOptions = {}): Promise<void> {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined) return;
    const record = { ...held.attempt.record, expiresAt: RELEASED };
    await this.#put(record, { ifMatch: held.tag }, call).catch((error: unknown) => {
      if (!hasCode(error, 'PRECONDITION_FAILED')) throw error;
    });
  }

  async #acquire(call: CallOptions): Promise<boolean> {
    const seen = await this.#read(call);
    if (this.#held !== undefined) return true;
    if (seen === undefined) return this.#write(1 + this.#highest, { ifAbsent: true }, call);
    return this.#isFree(seen) ? this.#write(this.#nextGeneration(seen), { ifMatch: seen.tag }, call) : false;
  }

  async #renew({ attempt, tag }: { readonly attempt: Attempt; readonly tag: string }, call: CallOptions): Promise<boolean> {
    return this.#write(attempt.record.generation, { ifMatch: tag }, call);
  }

  /** Ours when the store says so, or when what lies there afterwards carries our nonce. */
  async #write(generation: number, condition: Pick<PutOptions, 'ifAbsent' | 'ifMatch'>, call: CallOptions): Promise<boolean> {
    const { clock, ttlMs, owner } = this.#options;
    const now = clock.now();
    const record = { generation, expiresAt: now + ttlMs, owner, nonce: randomBytes(12).toString('hex'), ttlMs };
    const attempt: Attempt = { record, monotonic: clock.monotonic(), now };
    this.#pending = [...this.#pending.slice(-MOST_PENDING), attempt];
    try {
      const tag = await this.#put(record, condition, call);
      this.#take(attempt, tag);
      return true;
    } catch (error) {
      if (!hasCode(error, 'PRECONDITION_FAILED')) throw error;
    }
    await this.#read(call);
    return this.#held !== undefined;
  }

  async #put(record: LeaseRecord, condition: Pick<PutOptions, 'ifAbsent' | 'ifMatch'>, call: CallOptions): Promise<string> {
    const { store, key } = this.#options;
    const { tag } = await store.put(key, bytesBody(encodeLease(record)), { ...condition, ...call });
    if (tag === undefined)
      throw new LitestreamError('NOT_SUPPORTED', `cannot hold a lease at ${store.destination}: it does not tell versions`);
    return tag;
  }

  /** Reads the object, notes who holds it, and finds out whether it is ours. */
  async #read(call: CallOptions): Promise<Seen | undefined> {
    const seen = await this.#look(call);
    const { clock } = this.#options;
    if (seen === undefined) {
      this.#held = undefined;
      this.#holder = undefined;
      return undefined;
    }
    const { record, tag } = seen;
    if (this.#watched?.tag !== tag) this.#watched = { tag, since: clock.monotonic() };
    const attempt = this.#pending.find((one) => one.record.nonce === record?.nonce);
    if (attempt !== undefined && record?.expiresAt !== RELEASED) this.#take(attempt, tag);
    else this.#lose(record ?? { damaged: true });
    return seen;
  }

  async #look(call: CallOptions): Promise<Seen | undefined> {
    const { store, key } = this.#options;
    try {
      const opened = await store.open(key, call);
      const bytes = await readAll(opened);
      if (opened.tag === undefined)
        throw new LitestreamError('NOT_SUPPORTED', `cannot hold a lease at ${store.destination}: it does not tell versions`);
      return { tag: opened.tag, record: decodeLease(bytes) };
    } catch (error) {
      if (hasCode(error, 'OBJECT_NOT_FOUND')) return undefined;
      throw error;
    }
  }

  #take(attempt: Attempt, tag: string): void {
    const { owner, expiresAt, generation } = attempt.record;
    this.#held = { attempt, tag };
    this.#pending = [attempt];
    this.#watched = undefined;
    this.#hasHeld = true;
    this.#highest = Math.max(this.#highest, generation);
    this.#holder = { ...(owner === undefined ? {} : { owner }), expiresAt, generation };
  }

  #lose({ owner, expiresAt, generation, damaged }: LeaseHolder): void {
    this.#held = undefined;
    this.#highest = Math.max(this.#highest, generation ?? 0);
    this.#holder = {
      ...(owner === undefined ? {} : { owner }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      ...(generation === undefined ? {} : { generation }),
      ...(damaged === undefined ? {} : { damaged }),
    };
  }

  #isFree({ record }: Seen): boolean {
    const { clock, owner, ttlMs } = this.#options;
    if (record?.expiresAt === RELEASED) return true;
    // Our own, of before a crash. Once it was ours in this process, a stranger uses our name.
    if (record?.owner === owner && !this.#hasHeld) return true;
    const silence = Math.max(ttlMs, record?.ttlMs ?? 0);
    return this.#watched !== undefined && clock.monotonic() - this.#watched.since >= silence;
  }

  /** Where the object tells none, one that nobody has reached. */
  #nextGeneration({ record }: Seen): number {
    const known = record?.generation ?? Math.floor(this.#options.clock.now() / 1000);
    return Math.max(known, this.#highest) + 1;
  }
}
