/** A put: small bodies in one request, larger ones in parts. Only buffers are ever handed to the SDK. */

import { PutObjectCommand } from '@aws-sdk/client-s3';
import { chunksOf } from '../body.ts';
import type { PutBody, PutOptions } from '../object-store.ts';
import { tagOf } from './conditions.ts';
import { uploadParts } from './multipart.ts';
import type { ByteBudget } from './part-buffers.ts';
import { parametersOf, type Stored, type UploadPlace } from './put-parameters.ts';

const FIRST_BUFFER_BYTES = 64 * 1024;
/** Bodies of unknown size count in the budget from here on. */
const COUNTED_BYTES = 1024 * 1024;

export async function uploadObject(place: UploadPlace, body: PutBody, options: PutOptions): Promise<Stored> {
  const { conditions, key, plan, budgets } = place;
  conditions.check(key, options);
  const stop = new AbortController();
  const onAbort = () => stop.abort(options.signal?.reason);
  options.signal?.addEventListener('abort', onAbort, { once: true });
  const chunks = chunksOf(body, key, stop.signal, { transient: true })[Symbol.asyncIterator]();
  const gathering = new Gathering(chunks, budgets.whole, stop.signal);
  try {
    const fits = body.size === undefined || body.size <= plan.partSize;
    const whole = fits && (await gathering.upTo(plan.partSize, body.size));
    if (whole) return await putWhole(place, gathering.bytes, options);
    return await uploadParts(place, { head: gathering.handOver(), chunks, size: body.size }, options, stop);
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    gathering.release();
    // Not waited for: a source may hang.
    chunks.return?.().then(undefined, () => {});
  }
}

async function putWhole(place: UploadPlace, bytes: Buffer, options: PutOptions): Promise<Stored> {
  const { session, conditions, key } = place;
  const { signal } = options;
  const input = { ...parametersOf(place, options), Body: bytes, ContentLength: bytes.byteLength };
  const { ETag } = await conditions.run(key, options, (condition) =>
    session.call({ operation: 'put', key, signal }, (client, http) => client.send(new PutObjectCommand({ ...input, ...condition }), http)),
  );
  const tag = tagOf(ETag);
  if (tag === undefined) throw session.unintelligible({ operation: 'put', key }, 'it tells no ETag');
  return { size: bytes.byteLength, tag };
}

/** The beginning of a body, in memory. Chunks are copied at once: a source may use its buffer again. */
class Gathering {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #budget: ByteBudget;
  readonly #signal: AbortSignal;
  #buffer: Buffer = Buffer.alloc(0);
  #filled = 0;
  #release: (() => void) | undefined;

  constructor(chunks: AsyncIterator<Uint8Array>, budget: ByteBudget, signal: AbortSignal) {
    this.#chunks = chunks;
    this.#budget = budget;
    this.#signal = signal;
  }

  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#filled);
  }

  /** Reads on until the source ends: true, or until more than `limit` bytes are there: false. */
  async upTo(limit: number, size: number | undefined): Promise<boolean> {
    if (size !== undefined) await this.#grow(size);
    for (;;) {
      const { done, value } = await this.#chunks.next();
      if (done === true) return true;
      const needed = this.#filled + value.byteLength;
      if (needed > this.#buffer.byteLength)
        await this.#grow(Math.max(needed, Math.min(limit, this.#buffer.byteLength * 2), FIRST_BUFFER_BYTES));
      this.#buffer.set(value, this.#filled);
      this.#filled = needed;
      if (needed > limit) return false;
    }
  }

  /** The bytes, no longer counted: the next owner counts its own buffers. */
  handOver(): Uint8Array {
    const { bytes } = this;
    this.release();
    return bytes;
  }

  release(): void {
    this.#release?.();
    this.#buffer = Buffer.alloc(0);
    this.#filled = 0;
  }

  async #grow(bytes: number): Promise<void> {
    if (bytes >= COUNTED_BYTES) {
      this.#release?.();
      this.#release = await this.#budget.take(bytes, this.#signal);
    }
    const larger = Buffer.allocUnsafeSlow(bytes);
    larger.set(this.bytes);
    this.#buffer = larger;
  }
}
