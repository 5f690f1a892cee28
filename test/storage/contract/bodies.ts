/** Bodies and readers for tests of object stores. */

import { readAll } from '../../../src/storage/body.ts';
import type { ObjectInfo, ObjectStore, OpenOptions, PutBody } from '../../../src/storage/object-store.ts';

/** `size` bytes that differ from one another and from those of another seed. */
export function patternBytes(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size);
  let state = (seed * 2654435761) >>> 0 || 1;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A body that comes in `count` chunks, its size unknown unless said. */
export function chunkedBody(bytes: Uint8Array, count: number, announce = false): PutBody {
  const step = Math.max(1, Math.ceil(bytes.byteLength / count));
  return {
    ...(announce ? { size: bytes.byteLength } : {}),
    async *open() {
      for (let at = 0; at < bytes.byteLength; at += step) yield bytes.subarray(at, at + step);
    },
  };
}

/** A body that delivers `bytes` and then fails with `error`. */
export function failingBody(bytes: Uint8Array, error: unknown): PutBody {
  return {
    async *open() {
      yield bytes;
      throw error;
    },
  };
}

/** A body that delivers `bytes` and then hangs; `closed` tells whether it was let go. */
export function hangingBody(bytes: Uint8Array, onPending: () => void): PutBody {
  return {
    async *open() {
      yield bytes;
      onPending();
      await new Promise<never>(() => {});
    },
  };
}

export async function putBytes(store: ObjectStore, key: string, bytes: Uint8Array, createdAt?: number): Promise<ObjectInfo> {
  return store.put(key, chunkedBody(bytes, 3, true), createdAt === undefined ? {} : { createdAt });
}

export async function getBytes(store: ObjectStore, key: string, options: OpenOptions = {}): Promise<Uint8Array> {
  return readAll(await store.open(key, options));
}

/** The same, read as one who has done with each chunk when the next is asked for. */
export async function getTransientBytes(store: ObjectStore, key: string, options: OpenOptions = {}): Promise<Uint8Array> {
  const opened = await store.open(key, { ...options, transient: true });
  try {
    const copies: Uint8Array[] = [];
    for await (const chunk of opened.body) copies.push(Uint8Array.from(chunk));
    return Buffer.concat(copies);
  } finally {
    await opened.close();
  }
}

/** Everything an iterable delivers. */
export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

export async function listAll(store: ObjectStore, prefix = '', after?: string): Promise<ObjectInfo[]> {
  return collect(store.list(prefix, after === undefined ? {} : { after }));
}

export async function listKeys(store: ObjectStore, prefix = '', after?: string): Promise<string[]> {
  return (await listAll(store, prefix, after)).map(({ key }) => key);
}
