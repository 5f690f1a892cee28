/** Bodies of objects: making them, reading them, and holding a source to the size it announced. */

import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { abortable } from '../base/abortable.ts';
import { LitestreamError } from '../base/errors.ts';
import type { BodyUse, OpenedObject, PutBody } from './object-store.ts';

/** Bytes read at once from a local file. */
const LARGEST_CHUNK = 1024 * 1024;

/** A body of bytes in memory, which must not change until the put has ended. */
export function bytesBody(bytes: Uint8Array): PutBody {
  return {
    size: bytes.byteLength,
    async *open() {
      if (bytes.byteLength > 0) yield bytes;
    },
  };
}

/** A body that is a local file of `size` bytes. */
export function fileBody(path: string, size: number): PutBody {
  // A small file must not cost a large buffer: a thousand databases put a thousand of them.
  const highWaterMark = Math.max(1, Math.min(size, LARGEST_CHUNK));
  return {
    size,
    path,
    open: ({ transient = false } = {}) => (transient ? throughOneBuffer(path, highWaterMark) : inFreshBuffers(path, highWaterMark)),
  };
}

/** Opened with the first read: a stream that nobody comes to read would end the process if its file were gone. */
async function* inFreshBuffers(path: string, highWaterMark: number): AsyncGenerator<Uint8Array, void, undefined> {
  yield* createReadStream(path, { highWaterMark }) as AsyncIterable<Uint8Array>;
}

/** A new buffer for each chunk makes more work for the garbage collector than anything else about an upload. */
async function* throughOneBuffer(path: string, bytes: number): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafeSlow(bytes);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, bytes, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

/**
 * The chunks of `body`, ended promptly by `signal`. READ_TRUNCATED when it delivers another number of bytes than it announced; the source's
 * own errors pass through.
 */
export async function* chunksOf(
  body: PutBody,
  key: string,
  signal: AbortSignal | undefined,
  use?: BodyUse,
): AsyncGenerator<Uint8Array, void, undefined> {
  let delivered = 0;
  for await (const chunk of abortable(body.open(use), signal)) {
    delivered += chunk.byteLength;
    if (body.size !== undefined && delivered > body.size) throw wrongSize(key, `more than ${body.size}`, body.size);
    yield chunk;
  }
  if (body.size !== undefined && delivered < body.size) throw wrongSize(key, `only ${delivered}`, body.size);
}

const wrongSize = (key: string, delivered: string, announced: number): LitestreamError =>
  new LitestreamError('READ_TRUNCATED', `the source of ${key} delivered ${delivered} bytes where ${announced} were announced`);

/** Reads an opened object to its end and closes it. For small objects: everything is held in memory. */
export async function readAll(opened: OpenedObject): Promise<Uint8Array> {
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of opened.body) chunks.push(chunk);
    return Buffer.concat(chunks);
  } finally {
    await opened.close();
  }
}

/**
 * Frees the memory of bytes that nobody will look at any more; the collector would take its time. For whoever owns it alone: a part of a larger
 * buffer stays.
 *
 * Node does not hold on to the memory of a read, a write, or a compression that is under way: letting go of it then would have the system read
 * or write what is something else by now. What was handed to others is let go of only after they have asked for more, never when they stopped.
 */
export function letGo({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0);
}

/** An async iterable that may be iterated once: a second loop is an error instead of a clean, empty end. */
export function once(key: string, start: () => AsyncIterator<Uint8Array>): AsyncIterable<Uint8Array> {
  let used = false;
  return {
    [Symbol.asyncIterator]() {
      if (used) throw new LitestreamError('INTERNAL', `the body of ${key} was read twice`);
      used = true;
      return start();
    },
  };
}
