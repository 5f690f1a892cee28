/** Holds bodies to the rates of their destination. */

import { once } from '../body.ts';
import type { ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody, PutOptions } from '../object-store.ts';
import type { TokenBucket } from './token-bucket.ts';
import { WrappedStore } from './wrapped-store.ts';

export interface Rates {
  readonly upload?: TokenBucket;
  readonly download?: TokenBucket;
}

/**
 * Outside of all that watches for silence: waiting for the rate is no stall. A repeated upload takes its share again. What a local store lets
 * its readers read in place is not held back.
 */
export class BandwidthStore extends WrappedStore {
  readonly #rates: Rates;

  constructor(inner: ObjectStore, rates: Rates) {
    super(inner);
    this.#rates = rates;
  }

  override async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const opened = await this.inner.open(key, options);
    const { download } = this.#rates;
    return download === undefined ? opened : { ...opened, body: once(key, () => paced(opened.body, download, options.signal)) };
  }

  override put(key: string, body: PutBody, options: PutOptions = {}): Promise<ObjectInfo> {
    const { upload } = this.#rates;
    if (upload === undefined) return this.inner.put(key, body, options);
    const size = body.size === undefined ? {} : { size: body.size };
    return this.inner.put(key, { ...size, open: (use) => paced(body.open(use), upload, options.signal) }, options);
  }
}

async function* paced(body: AsyncIterable<Uint8Array>, bucket: TokenBucket, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    for (let at = 0; at < chunk.byteLength; at += bucket.portion) {
      const portion = chunk.subarray(at, at + bucket.portion);
      await bucket.take(portion.byteLength, signal);
      yield portion;
    }
  }
}
