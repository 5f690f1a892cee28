/** Tells a listener about every finished call: what, how long, how many bytes and requests, and the error's code. */

import { type Clock, systemClock } from '../../base/clock.ts';
import { errorToData } from '../../base/errors.ts';
import { once } from '../body.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody, PutOptions } from '../object-store.ts';
import { deleteRequests, listRequests, putRequests } from './request-count.ts';
import { type EndAbandoned, type ListOptions, WrappedStore } from './wrapped-store.ts';

/** One finished call to an object store. */
export interface StoreOperation {
  readonly replicaType: string;
  readonly operation: 'GET' | 'PUT' | 'LIST' | 'DELETE' | 'STAT';
  /** Bytes of content that travelled, also when the call failed in the end; 0 for LIST, DELETE and STAT. */
  readonly bytes: number;
  /** Requests the service counts for it, as far as they can be told: pages of a listing, parts of an upload, batches of a deletion. */
  readonly requests: number;
  /** From the call to its end; for GET to the end of the body, for LIST without the time the listener's consumer took. */
  readonly durationMs: number;
  /** Error code, absent on success; CANCELLED when the caller's signal fired. */
  readonly code?: string;
}

export type StoreListener = (operation: StoreOperation) => void;

export interface MeterOptions {
  readonly clock?: Clock;
  /** Bytes of a part of a large upload, when the settings say it. */
  readonly partSize?: number;
  /** Told when a body begins and when it is left, closed or at its end. */
  readonly onStreams?: (change: 1 | -1) => void;
}

/** Of one upload: a look at its parts, and its end. */
const REQUESTS_TO_END = 2;

/** Each call is reported once, at its end. A GET whose body is left early counts as a success with the bytes read so far. */
export class MeterStore extends WrappedStore {
  readonly #listener: StoreListener;
  readonly #clock: Clock;
  readonly #partSize: number | undefined;
  readonly #onStreams: (change: 1 | -1) => void;

  constructor(inner: ObjectStore, listener: StoreListener, { clock = systemClock, partSize, onStreams = () => {} }: MeterOptions = {}) {
    super(inner);
    this.#listener = listener;
    this.#clock = clock;
    this.#partSize = partSize;
    this.#onStreams = onStreams;
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const call = this.#begin('LIST', options.signal);
    const iterator = this.inner.list(prefix, options)[Symbol.asyncIterator]();
    let objects = 0;
    try {
      for (;;) {
        call.resume();
        const result = await iterator.next();
        call.pause();
        if (result.done === true) return;
        objects += 1;
        yield result.value;
      }
    } catch (error) {
      call.fail(error);
      throw error;
    } finally {
      call.requests = listRequests(this.type, objects);
      call.end();
      await iterator.return?.();
    }
  }

  override async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const call = this.#begin('GET', options.signal);
    try {
      const opened = await this.inner.open(key, options);
      this.#onStreams(1);
      call.onEnd = () => this.#onStreams(-1);
      const close = async () => {
        call.end();
        await opened.close();
      };
      return { ...opened, body: once(key, () => counted(opened.body, call)), close };
    } catch (error) {
      call.fail(error);
      call.end();
      throw error;
    }
  }

  override put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const call = this.#begin('PUT', options.signal);
    const metered: PutBody = { ...(body.size === undefined ? {} : { size: body.size }), open: (use) => counting(body.open(use), call) };
    call.requestsOf = (bytes) => putRequests(this.type, bytes, this.#partSize);
    return this.#measure(call, () => this.inner.put(key, metered, options));
  }

  override stat(key: string, options: CallOptions = {}): Promise<ObjectInfo> {
    return this.#measure(this.#begin('STAT', options.signal), () => this.inner.stat(key, options));
  }

  override delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    const call = this.#begin('DELETE', options.signal);
    call.requests = deleteRequests(this.capabilities, keys.length);
    return this.#measure(call, () => this.inner.delete(keys, options));
  }

  /** Told as the listing that it is where nothing was left. */
  protected override abandonedEnder(end: EndAbandoned): EndAbandoned {
    return (prefix, options) => {
      const call = this.#begin('LIST', options.signal);
      return this.#measure(call, async () => {
        const ended = await end(prefix, options);
        call.requests += REQUESTS_TO_END * ended;
        return ended;
      });
    };
  }

  async #measure<T>(call: MeteredCall, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      call.fail(error);
      throw error;
    } finally {
      call.end();
    }
  }

  #begin(operation: StoreOperation['operation'], signal: AbortSignal | undefined): MeteredCall {
    return new MeteredCall(this.#clock, signal, (facts) => this.#listener({ replicaType: this.type, operation, ...facts }));
  }
}

type CallFacts = Pick<StoreOperation, 'bytes' | 'requests' | 'durationMs' | 'code'>;

class MeteredCall {
  bytes = 0;
  requests = 1;
  /** Where they depend on the bytes. */
  requestsOf: ((bytes: number) => number) | undefined;
  onEnd: () => void = () => {};
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  readonly #report: (facts: CallFacts) => void;
  #elapsed = 0;
  #since: number | undefined;
  #code: string | undefined;
  #ended = false;

  constructor(clock: Clock, signal: AbortSignal | undefined, report: (facts: CallFacts) => void) {
    this.#clock = clock;
    this.#signal = signal;
    this.#report = report;
    this.#since = clock.monotonic();
  }

  resume(): void {
    this.#since ??= this.#clock.monotonic();
  }

  pause(): void {
    if (this.#since !== undefined) this.#elapsed += this.#clock.monotonic() - this.#since;
    this.#since = undefined;
  }

  fail(error: unknown): void {
    this.#code ??= this.#signal?.aborted === true ? 'CANCELLED' : errorToData(error).code;
  }

  /** Reports, the first time. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.pause();
    this.onEnd();
    const requests = this.requestsOf?.(this.bytes) ?? this.requests;
    this.#report({ bytes: this.bytes, requests, durationMs: this.#elapsed, ...(this.#code === undefined ? {} : { code: this.#code }) });
  }
}

async function* counting(body: AsyncIterable<Uint8Array>, call: MeteredCall): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    call.bytes += chunk.byteLength;
    yield chunk;
  }
}

async function* counted(body: AsyncIterable<Uint8Array>, call: MeteredCall): AsyncGenerator<Uint8Array> {
  try {
    yield* counting(body, call);
  } catch (error) {
    call.fail(error);
    throw error;
  } finally {
    call.end();
  }
}
