/** An object store that fails at random, by seed: lost, delayed, failed, truncated and duplicated operations. */

import { setTimeout as sleep } from 'node:timers/promises';
import { LitestreamError } from '../../src/base/errors.ts';
import { once } from '../../src/storage/body.ts';
import type { CallOptions, ObjectInfo, OpenedObject, OpenOptions, PutBody, PutOptions } from '../../src/storage/object-store.ts';
import { type ListOptions, WrappedStore } from '../../src/storage/wrap/wrapped-store.ts';
import type { Random } from './random.ts';

const failed = (what: string): LitestreamError => new LitestreamError('STORAGE_UNAVAILABLE', `the line failed ${what}`);

export interface Unreliability {
  /** Share of puts that are acknowledged although nothing is kept, 0…1. Default 0. */
  readonly lostPuts?: number;
  /** While it says so nothing gets through at all. */
  readonly isAway?: () => boolean;
}

export class UnreliableStore extends WrappedStore {
  readonly #random: Random;
  readonly #rate: number;
  readonly #lostPuts: number;
  readonly #isAway: () => boolean;
  /** By kind. */
  readonly faults: Record<string, number> = {};

  /** @param rate share of operations with a fault, 0…1. */
  constructor(
    inner: ConstructorParameters<typeof WrappedStore>[0],
    random: Random,
    rate: number,
    { lostPuts = 0, isAway = () => false }: Unreliability = {},
  ) {
    super(inner);
    // Everything is read through the store: files have no path of their own.
    Reflect.deleteProperty(this, 'localPath');
    this.#random = random;
    this.#rate = rate;
    this.#lostPuts = lostPuts;
    this.#isAway = isAway;
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const fault = await this.#enter(options, ['lost', 'truncated']);
    let left = this.#random.between(0, 20);
    for await (const object of this.inner.list(prefix, options)) {
      if (fault === 'truncated' && left-- === 0) throw failed('in the middle of a listing');
      yield object;
    }
  }

  override async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const fault = await this.#enter(options, ['lost', 'truncated']);
    const opened = await this.inner.open(key, options);
    return fault === 'truncated' ? { ...opened, body: once(key, () => cut(opened.body, this.#random.between(0, 5000))) } : opened;
  }

  override async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const fault = await this.#enter(options, ['lost', 'answer', 'truncated', 'duplicated']);
    if (fault === 'truncated') {
      const limit = this.#random.between(0, 5000);
      await this.inner.put(key, { ...body, open: () => breakOff(body.open(), limit) }, options);
    }
    const info = await this.inner.put(key, body, options);
    if (fault === 'answer') throw failed('before its answer came');
    if (fault === 'duplicated') await this.inner.put(key, body, options).catch(() => {}); // the second one may not be wanted
    if (this.#random.chance(this.#lostPuts)) {
      this.faults.forgotten = (this.faults.forgotten ?? 0) + 1;
      await this.inner.delete([key]);
    }
    return info;
  }

  override async stat(key: string, options: CallOptions = {}): Promise<ObjectInfo> {
    await this.#enter(options, ['lost']);
    return this.inner.stat(key, options);
  }

  override async delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    const fault = await this.#enter(options, ['lost', 'answer', 'truncated', 'duplicated']);
    await this.inner.delete(fault === 'truncated' ? keys.slice(0, this.#random.between(0, keys.length)) : keys, options);
    if (fault === 'answer' || fault === 'truncated') throw failed('in the middle of deleting');
    if (fault === 'duplicated') await this.inner.delete(keys, options);
  }

  /** The fault of an operation, after any delay; a lost one never begins. */
  async #enter({ signal }: CallOptions, kinds: readonly string[]): Promise<string | undefined> {
    if (this.#isAway()) throw failed('for now');
    if (this.#random.chance(this.#rate)) await sleep(this.#random.between(1, 120), undefined, signal === undefined ? {} : { signal });
    if (!this.#random.chance(this.#rate)) return undefined;
    const kind = this.#random.pick(kinds);
    this.faults[kind] = (this.faults[kind] ?? 0) + 1;
    if (kind === 'lost') throw failed('on the way there');
    return kind;
  }
}

async function* cut(body: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  let left = bytes;
  for await (const chunk of body) {
    if (chunk.length > left) {
      yield chunk.subarray(0, left);
      return;
    }
    left -= chunk.length;
    yield chunk;
  }
}

async function* breakOff(body: AsyncIterable<Uint8Array>, bytes: number): AsyncGenerator<Uint8Array> {
  yield* cut(body, bytes);
  throw failed('in the middle of a put');
}
