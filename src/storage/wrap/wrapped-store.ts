/** An object store around an object store that changes nothing: the base of the wrappers, which override what they are about. */

import type {
  AbandonedOptions,
  CallOptions,
  ObjectInfo,
  ObjectStore,
  OpenedObject,
  OpenOptions,
  PutBody,
  PutOptions,
  StoreCapabilities,
} from '../object-store.ts';

export type ListOptions = CallOptions & { readonly after?: string };

export type EndAbandoned = (prefix: string, options: AbandonedOptions) => Promise<number>;

export abstract class WrappedStore implements ObjectStore {
  readonly type: string;
  readonly capabilities: StoreCapabilities;
  readonly destination: string;
  readonly localPath?: (key: string) => string;
  readonly concerns?: (options?: CallOptions) => Promise<readonly string[]>;
  readonly endAbandoned?: EndAbandoned;
  protected readonly inner: ObjectStore;

  constructor(inner: ObjectStore) {
    this.inner = inner;
    this.type = inner.type;
    this.capabilities = inner.capabilities;
    this.destination = inner.destination;
    const { concerns, endAbandoned, localPath } = inner instanceof WrappedStore ? inner : abilitiesOf(inner);
    if (concerns !== undefined) this.concerns = concerns;
    if (endAbandoned !== undefined) this.endAbandoned = this.abandonedEnder(endAbandoned);
    if (localPath !== undefined) this.localPath = localPath;
  }

  /** What this wrapper makes of the ability of the inner store to end uploads. */
  protected abandonedEnder(end: EndAbandoned): EndAbandoned {
    return end;
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    return this.inner.list(prefix, options);
  }

  open(key: string, options?: OpenOptions): Promise<OpenedObject> {
    return this.inner.open(key, options);
  }

  put(key: string, body: PutBody, options?: PutOptions): Promise<ObjectInfo> {
    return this.inner.put(key, body, options);
  }

  stat(key: string, options?: CallOptions): Promise<ObjectInfo> {
    return this.inner.stat(key, options);
  }

  delete(keys: readonly string[], options?: CallOptions): Promise<void> {
    return this.inner.delete(keys, options);
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}

interface Abilities {
  readonly concerns: WrappedStore['concerns'] | undefined;
  readonly endAbandoned: EndAbandoned | undefined;
  readonly localPath: WrappedStore['localPath'] | undefined;
}

/** What not every store can do, as functions without `this`; wrappers pass them on as they are. */
const abilitiesOf = (store: ObjectStore): Abilities => ({
  concerns: store.concerns?.bind(store),
  endAbandoned: store.endAbandoned?.bind(store),
  localPath: store.localPath?.bind(store),
});
