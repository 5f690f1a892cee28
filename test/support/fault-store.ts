/** An object store that fails, hangs, truncates and loses answers by script, and writes down every call. */

import { orAbort } from '../../src/base/abortable.ts';
import { once } from '../../src/storage/body.ts';
import type {
  CallOptions,
  ObjectInfo,
  ObjectStore,
  OpenedObject,
  OpenOptions,
  PutBody,
  PutOptions,
} from '../../src/storage/object-store.ts';
import { type ListOptions, WrappedStore } from '../../src/storage/wrap/wrapped-store.ts';

export type StoreVerb = 'list' | 'open' | 'put' | 'stat' | 'delete';

export type Fault =
  /** The call fails before it does anything. */
  | { readonly type: 'error'; readonly error: unknown }
  /** The call does its work, and then fails: a lost answer. */
  | { readonly type: 'lost-answer'; readonly error: unknown }
  /** The call waits for a promise before it does anything. */
  | { readonly type: 'wait'; readonly gate: Promise<void> }
  /** The call never answers, until its signal fires. */
  | { readonly type: 'hang' }
  /** Of a body (open) or of a listing's objects, so many units come, then this. */
  | { readonly type: 'broken'; readonly after: number; readonly ending: 'end' | 'hang' | Error };

export interface FaultRule {
  readonly on: StoreVerb;
  readonly fault: Fault;
  /** Calls it applies to, default 1. */
  readonly times?: number;
  /** Keys it applies to, default all; for `delete` the first key, for `list` the prefix. */
  readonly key?: string | RegExp;
}

export interface StoreCall {
  readonly verb: StoreVerb;
  readonly key: string;
  readonly offset?: number;
}

export class FaultStore extends WrappedStore {
  /** Every call so far. */
  readonly calls: StoreCall[] = [];
  /** Opened objects that were not closed. */
  openCount = 0;
  readonly #rules: { readonly rule: FaultRule; left: number }[] = [];

  /** Adds a rule; the first one that applies is used. */
  script(...rules: readonly FaultRule[]): void {
    for (const rule of rules) this.#rules.push({ rule, left: rule.times ?? 1 });
  }

  /** Forgets all rules. */
  heal(): void {
    this.#rules.length = 0;
  }

  /** The store without faults. */
  get innermost(): ObjectStore {
    return this.inner;
  }

  count(verb: StoreVerb): number {
    return this.calls.filter((call) => call.verb === verb).length;
  }

  override async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ObjectInfo> {
    const fault = await this.#enter('list', prefix, options);
    let count = 0;
    for await (const object of this.inner.list(prefix, options)) {
      if (fault?.type === 'broken' && count === fault.after) {
        if (fault.ending === 'end') return;
        await breakOff(fault.ending, options.signal);
      }
      count += 1;
      yield object;
    }
  }

  override async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const fault = await this.#enter('open', key, options, options.offset);
    const opened = await this.inner.open(key, options);
    this.openCount += 1;
    let isOpen = true;
    const close = async () => {
      if (isOpen) this.openCount -= 1;
      isOpen = false;
      await opened.close();
    };
    if (fault?.type === 'lost-answer') {
      await close();
      throw fault.error;
    }
    return {
      ...opened,
      body: once(key, () => closingAtEnd(fault?.type === 'broken' ? brokenBody(opened.body, fault, options.signal) : opened.body, close)),
      close,
    };
  }

  override async put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    return this.#around('put', key, options, () => this.inner.put(key, body, options));
  }

  override async stat(key: string, options: CallOptions = {}): Promise<ObjectInfo> {
    return this.#around('stat', key, options, () => this.inner.stat(key, options));
  }

  override async delete(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    return this.#around('delete', keys[0] ?? '', options, () => this.inner.delete(keys, options));
  }

  async #around<T>(verb: StoreVerb, key: string, options: CallOptions, work: () => Promise<T>): Promise<T> {
    const fault = await this.#enter(verb, key, options);
    const result = await work();
    if (fault?.type === 'lost-answer') throw fault.error;
    return result;
  }

  async #enter(verb: StoreVerb, key: string, { signal }: CallOptions, offset?: number): Promise<Fault | undefined> {
    this.calls.push({ verb, key, ...(offset === undefined ? {} : { offset }) });
    signal?.throwIfAborted();
    const found = this.#rules.find(({ rule, left }) => left > 0 && rule.on === verb && applies(rule, key));
    if (found === undefined) return undefined;
    found.left -= 1;
    const { fault } = found.rule;
    if (fault.type === 'error') throw fault.error;
    if (fault.type === 'wait') await fault.gate;
    if (fault.type === 'hang') await orAbort(new Promise<never>(() => {}), signal);
    return fault;
  }
}

function applies({ key: pattern }: FaultRule, key: string): boolean {
  if (pattern === undefined) return true;
  return typeof pattern === 'string' ? key.includes(pattern) : pattern.test(key);
}

async function* brokenBody(body: AsyncIterable<Uint8Array>, fault: Extract<Fault, { type: 'broken' }>, signal: AbortSignal | undefined) {
  let left = fault.after;
  for await (const chunk of body) {
    if (left > 0) yield chunk.subarray(0, left);
    left -= chunk.byteLength;
    if (left < 0) break;
  }
  if (fault.ending !== 'end') await breakOff(fault.ending, signal);
}

async function breakOff(how: 'hang' | Error, signal: AbortSignal | undefined): Promise<void> {
  if (how !== 'hang') throw how;
  await orAbort(new Promise<never>(() => {}), signal);
}

async function* closingAtEnd(body: AsyncIterable<Uint8Array>, close: () => Promise<void>) {
  try {
    yield* body;
  } finally {
    await close();
  }
}
