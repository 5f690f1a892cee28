/** Small objects of a replica beside its levels, where readers of LTX files never look: lease, proof record, state of a rekey. */

import { hasCode, LitestreamError } from '../base/errors.ts';
import { bytesBody, readAll } from '../storage/body.ts';
import type { CallOptions, ObjectStore } from '../storage/object-store.ts';
import type { FilePlace } from './listing.ts';

/** Most bytes of one. */
const MOST_BYTES = 64 * 1024;

export class AuxObjects {
  readonly #place: FilePlace;
  readonly #mayWrite: () => Promise<void>;

  /** @param mayWrite rejects while nothing may be written there. */
  constructor(place: FilePlace, mayWrite: () => Promise<void>) {
    this.#place = place;
    this.#mayWrite = mayWrite;
  }

  /** The key of one, for those who need more of the store than bytes. */
  key(name: string): string {
    const { layout, prefix } = this.#place;
    return prefix === '' ? name : layout.auxKey(prefix, name);
  }

  /** Undefined when there is none. TOO_LARGE above 64 KiB. */
  async read(name: string, options: CallOptions = {}): Promise<Uint8Array | undefined> {
    try {
      const bytes = await readAll(await this.#store.open(this.key(name), { ...options, length: MOST_BYTES + 1 }));
      if (bytes.byteLength <= MOST_BYTES) return bytes;
    } catch (error) {
      if (hasCode(error, 'OBJECT_NOT_FOUND')) return undefined;
      throw error;
    }
    throw new LitestreamError('TOO_LARGE', `reading ${name} of ${this.#store.destination}: it is larger than ${MOST_BYTES} bytes`);
  }

  /** Stores or replaces one, all or nothing. */
  async write(name: string, bytes: Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.#mayWrite();
    await this.#store.put(this.key(name), bytesBody(bytes), options);
  }

  /** A missing one counts as removed. */
  async remove(name: string, options: CallOptions = {}): Promise<void> {
    await this.#mayWrite();
    await this.#store.delete([this.key(name)], options);
  }

  get #store(): ObjectStore {
    return this.#place.store;
  }
}
