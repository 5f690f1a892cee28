/** An object store that uses the memory of a chunk again as soon as a transient reader asks for the next. */

import type { ObjectStore, OpenedObject, OpenOptions } from '../../src/storage/object-store.ts';
import { WrappedStore } from '../../src/storage/wrap/wrapped-store.ts';

export class ScribblingStore extends WrappedStore {
  readonly #most: number;

  /** @param most bytes of a chunk */
  constructor(inner: ObjectStore, most = Number.POSITIVE_INFINITY) {
    super(inner);
    this.#most = most;
  }

  override async open(key: string, options: OpenOptions = {}): Promise<OpenedObject> {
    const opened = await this.inner.open(key, options);
    return options.transient === true ? { ...opened, body: scribbled(opened.body, this.#most) } : opened;
  }
}

async function* scribbled(body: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  for await (const chunk of body) {
    for (let at = 0; at < chunk.length; at += most) {
      const lent = Uint8Array.from(chunk.subarray(at, at + most));
      yield lent;
      lent.fill(0xee);
    }
  }
}
