/** What one replica costs: its requests by price class since the start and over the last hour, with bytes and troubles. */

import type { Clock } from '../../base/clock.ts';
import type { StoreOperation } from '../../storage/wrap/meter.ts';

/** As services charge: writing, listing, reading (a look at an object costs as much), deleting. */
export const REQUEST_CLASSES = ['put', 'list', 'get', 'delete'] as const;
export type RequestClass = (typeof REQUEST_CLASSES)[number];

export type RequestCounts = Readonly<Record<RequestClass, number>>;

export interface RequestFacts {
  /** ms since the epoch. */
  readonly since: number;
  readonly total: RequestCounts;
  readonly lastHour: RequestCounts;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly errors: number;
  readonly throttled: number;
  readonly retries: number;
}

const CLASSES: Readonly<Record<StoreOperation['operation'], RequestClass>> = {
  PUT: 'put',
  LIST: 'list',
  GET: 'get',
  STAT: 'get',
  DELETE: 'delete',
};

export const classOf = (operation: StoreOperation['operation']): RequestClass => CLASSES[operation];

/** Answers rather than failures. */
const EXPECTED: ReadonlySet<string> = new Set(['OBJECT_NOT_FOUND', 'PRECONDITION_FAILED', 'CANCELLED']);

/** The last hour is told to within one of its slots. */
const SLOT_MS = 5 * 60_000;
const SLOTS = 12;
const KINDS = REQUEST_CLASSES.length;

export class RequestLedger {
  readonly #clock: Clock;
  readonly #since: number;
  readonly #total = new Float64Array(KINDS);
  readonly #recent = new Uint32Array(SLOTS * KINDS);
  /** The slot of the newest count, by the monotonic clock. */
  #slot: number;
  #bytesSent = 0;
  #bytesReceived = 0;
  #errors = 0;
  #throttled = 0;
  #retries = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#since = clock.now();
    this.#slot = this.#slotNow();
  }

  note({ operation, bytes, requests, code }: StoreOperation): void {
    this.#forgetOld();
    const kind = REQUEST_CLASSES.indexOf(classOf(operation));
    this.#total[kind] = (this.#total[kind] ?? 0) + requests;
    const at = (this.#slot % SLOTS) * KINDS + kind;
    this.#recent[at] = (this.#recent[at] ?? 0) + requests;
    if (operation === 'PUT') this.#bytesSent += bytes;
    else this.#bytesReceived += bytes;
    if (code !== undefined && !EXPECTED.has(code)) this.#errors += 1;
    if (code === 'STORAGE_THROTTLED') this.#throttled += 1;
  }

  retried(): void {
    this.#retries += 1;
  }

  facts(): RequestFacts {
    this.#forgetOld();
    return {
      since: this.#since,
      total: countsOf((kind) => this.#total[kind] ?? 0),
      lastHour: countsOf((kind) =>
        Array.from({ length: SLOTS }, (_, slot) => this.#recent[slot * KINDS + kind] ?? 0).reduce((a, b) => a + b),
      ),
      bytesSent: this.#bytesSent,
      bytesReceived: this.#bytesReceived,
      errors: this.#errors,
      throttled: this.#throttled,
      retries: this.#retries,
    };
  }

  #slotNow(): number {
    return Math.floor(this.#clock.monotonic() / SLOT_MS);
  }

  #forgetOld(): void {
    const now = this.#slotNow();
    for (let slot = Math.max(this.#slot + 1, now - SLOTS + 1); slot <= now; slot++) {
      const at = (slot % SLOTS) * KINDS;
      this.#recent.fill(0, at, at + KINDS);
    }
    this.#slot = now;
  }
}

const countsOf = (count: (kind: number) => number): RequestCounts =>
  Object.fromEntries(REQUEST_CLASSES.map((name, kind) => [name, count(kind)])) as Record<RequestClass, number>;
