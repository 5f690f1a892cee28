/** Encrypted objects of a store as what they hold: content, sizes of content, ranges of it (docs/engine.md, Encryption). */

import { LitestreamError } from '../../base/errors.ts';
import { HeaderOpener, headerLength, LONGEST_HEADER } from '../../formats/age/header.ts';
import { CHUNK_BYTES, contentSize, NONCE_BYTES, payloadKey, SEALED_CHUNK_BYTES } from '../../formats/age/payload.ts';
import { unseal } from '../../formats/age/unseal.ts';
import { once, readAll } from '../../storage/body.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions } from '../../storage/object-store.ts';

/** The header of most files, with what one recipient more adds ten times over; bytes. */
const USUAL_HEADER = 2048;
/** Files whose keys are remembered: a file is asked for its index and for several pages in a row. */
const MOST_KNOWN = 256;

/** What has to be known of a file before any of it can be read. */
interface Envelope {
  /** Bytes before the first chunk. */
  readonly begin: number;
  /** Bytes of all chunks. */
  readonly sealed: number;
  /** Bytes of the content. */
  readonly size: number;
  readonly key: Uint8Array;
  readonly tag: string | undefined;
}

export class EncryptedFiles {
  readonly #store: ObjectStore;
  readonly #opener: HeaderOpener;
  readonly #known = new Map<string, Envelope>();
  readonly #underway = new Map<string, Promise<unknown>>();

  constructor(store: ObjectStore, identities: readonly string[]) {
    this.#store = store;
    this.#opener = new HeaderOpener(identities);
  }

  /** False on a host that only writes. */
  get canRead(): boolean {
    return this.#opener.hasAny;
  }

  get destination(): string {
    return this.#store.destination;
  }

  /** As a store opens an object, but all that is said is about the content. IDENTITY_REQUIRED without an identity that fits. */
  async open(key: string, { offset = 0, length = Number.POSITIVE_INFINITY, signal }: OpenOptions = {}): Promise<OpenedObject> {
    this.#expectIdentity(key);
    const known = this.#known.get(key);
    if (known === undefined && offset === 0 && length === Number.POSITIVE_INFINITY) return this.#openWhole(key, signal);
    let envelope = known ?? (await this.#envelope(key, signal));
    const opened = await this.#openRange(key, envelope, { offset, length, signal });
    if (opened.tag === undefined || envelope.tag === undefined || opened.tag === envelope.tag) return opened;
    // It was replaced since its header was read.
    await opened.close();
    this.#known.delete(key);
    envelope = await this.#envelope(key, signal);
    return this.#openRange(key, envelope, { offset, length, signal });
  }

  /** Facts of an object with the size of its content; costs its header once. */
  async stat(key: string, { signal }: CallOptions = {}): Promise<ObjectInfo> {
    this.#expectIdentity(key);
    const info = await this.#store.stat(key, { signal });
    return { ...info, size: (await this.#envelope(key, signal)).size };
  }

  /** Bytes of the content; costs the header once. */
  async size(key: string, { signal }: CallOptions = {}): Promise<number> {
    this.#expectIdentity(key);
    return (this.#known.get(key) ?? (await this.#envelope(key, signal))).size;
  }

  /** Bytes of the content by what stands in clear: length of header and file. Needs no identity, and proves nothing. */
  async claimedSize(key: string, { signal }: CallOptions = {}): Promise<number> {
    const { header, size } = await this.#readHeader(key, signal);
    return this.#geometry(key, header.length, size).size;
  }

  /** The object was replaced or removed. */
  forget(key: string): void {
    this.#known.delete(key);
  }

  /** One request for a file that is read from its beginning. */
  async #openWhole(key: string, signal: AbortSignal | undefined): Promise<OpenedObject> {
    const opened = await this.#store.open(key, { signal, transient: true });
    try {
      const source = new Pulled(opened.body);
      const header = await takeHeader(source, key);
      const nonce = await source.take(NONCE_BYTES);
      const size = opened.size ?? (await this.#store.stat(key, { signal })).size;
      const envelope = await this.#seal(key, { header, nonce, size, tag: opened.tag });
      const body = unseal(source.rest(), { key: envelope.key, sealed: envelope.sealed, first: 0, skip: 0, length: size, name: key });
      return this.#asOpened(key, envelope, opened, body);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  async #openRange(
    key: string,
    envelope: Envelope,
    { offset, length, signal }: { readonly offset: number; readonly length: number; readonly signal: AbortSignal | undefined },
  ): Promise<OpenedObject> {
    const wanted = Math.min(length, Math.max(0, envelope.size - offset));
    if (wanted <= 0) return nothing(key, envelope);
    const first = Math.floor(offset / CHUNK_BYTES);
    const chunks = Math.ceil((offset + wanted) / CHUNK_BYTES) - first;
    const opened = await this.#store.open(key, {
      offset: envelope.begin + first * SEALED_CHUNK_BYTES,
      length: Math.min(chunks * SEALED_CHUNK_BYTES, envelope.sealed - first * SEALED_CHUNK_BYTES),
      signal,
      transient: true,
    });
    const skip = offset - first * CHUNK_BYTES;
    const body = unseal(opened.body, { key: envelope.key, sealed: envelope.sealed, first, skip, length: wanted, name: key });
    return this.#asOpened(key, envelope, opened, body);
  }

  #asOpened(key: string, { size }: Envelope, opened: OpenedObject, body: AsyncGenerator<Uint8Array>): OpenedObject {
    const files = this;
    async function* told(): AsyncGenerator<Uint8Array, void, void> {
      try {
        yield* body;
      } catch (error) {
        // Perhaps it was replaced: the next one who asks looks anew.
        files.forget(key);
        throw error;
      }
    }
    return { size, tag: opened.tag, body: once(key, told), close: () => opened.close() };
  }

  /** One header at a time for each file: its index and its first pages are asked for together. */
  async #envelope(key: string, signal: AbortSignal | undefined): Promise<Envelope> {
    await this.#underway.get(key)?.catch(() => {}); // whoever asked is told
    signal?.throwIfAborted();
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const reading = this.#readEnvelope(key, signal);
    this.#underway.set(key, reading);
    try {
      return await reading;
    } finally {
      this.#underway.delete(key);
    }
  }

  async #readEnvelope(key: string, signal: AbortSignal | undefined): Promise<Envelope> {
    return this.#seal(key, await this.#readHeader(key, signal));
  }

  async #readHeader(key: string, signal: AbortSignal | undefined): Promise<Begin> {
    for (let length = USUAL_HEADER; ; length = LONGEST_HEADER + NONCE_BYTES) {
      const opened = await this.#store.open(key, { length, signal });
      const bytes = await readAll(opened);
      const end = headerLength(bytes, key);
      if (end === undefined || bytes.length < end + NONCE_BYTES) {
        if (bytes.length < length || length > LONGEST_HEADER) throw cutHeader(key);
        continue;
      }
      const size = opened.size ?? (await this.#store.stat(key, { signal })).size;
      return { header: bytes.subarray(0, end), nonce: bytes.subarray(end, end + NONCE_BYTES), size, tag: opened.tag };
    }
  }

  async #seal(key: string, { header, nonce, size, tag }: Begin): Promise<Envelope> {
    const geometry = this.#geometry(key, header.length, size);
    const fileKey = await this.#opener.open(header, `${key} of ${this.#store.destination}`);
    const envelope = { ...geometry, key: payloadKey(fileKey, nonce), tag };
    this.#remember(key, envelope);
    return envelope;
  }

  #geometry(key: string, header: number, stored: number): Pick<Envelope, 'begin' | 'sealed' | 'size'> {
    const begin = header + NONCE_BYTES;
    const sealed = stored - begin;
    const size = contentSize(sealed);
    if (size === undefined) throw new LitestreamError('LTX_TRUNCATED', `decrypting ${key}: no age file of its header has ${stored} bytes`);
    return { begin, sealed, size };
  }

  #remember(key: string, envelope: Envelope): void {
    this.#known.delete(key);
    this.#known.set(key, envelope);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST_KNOWN && oldest !== undefined) this.#known.delete(oldest);
  }

  #expectIdentity(key: string): void {
    if (this.canRead) return;
    throw new LitestreamError(
      'IDENTITY_REQUIRED',
      `reading ${key} of ${this.#store.destination}: it is encrypted, and no age identity is configured`,
      {
        hint: 'Add the identity (AGE-SECRET-KEY-…, or the file that holds it) to age.identities of the replica in the configuration.',
      },
    );
  }
}

/** What a file begins with. */
interface Begin {
  readonly header: Uint8Array;
  readonly nonce: Uint8Array;
  /** Stored bytes. */
  readonly size: number;
  readonly tag: string | undefined;
}

async function takeHeader(source: Pulled, key: string): Promise<Uint8Array> {
  for (;;) {
    const end = headerLength(source.held, key);
    if (end !== undefined) return source.take(end);
    if (!(await source.more())) throw cutHeader(key);
  }
}

const cutHeader = (key: string): LitestreamError => new LitestreamError('LTX_TRUNCATED', `decrypting ${key}: its header is cut`);

const nothing = (key: string, { size, tag }: Envelope): OpenedObject => ({
  size,
  tag,
  body: once(key, async function* () {}),
  close: async () => {},
});

/** Bytes that arrive in pieces, each good until the next, taken from the front. */
class Pulled {
  readonly #iterator: AsyncIterator<Uint8Array>;
  /** Good until more is asked for. */
  held: Uint8Array = new Uint8Array(0);

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.#iterator = bytes[Symbol.asyncIterator]();
  }

  async more(): Promise<boolean> {
    const kept = new Uint8Array(this.held);
    const { done, value } = await this.#iterator.next();
    this.held = done === true ? kept : kept.length === 0 ? value : Buffer.concat([kept, value]);
    return done !== true;
  }

  /** A copy. Fewer bytes when they end first. */
  async take(length: number): Promise<Uint8Array> {
    while (this.held.length < length && (await this.more()));
    const taken = new Uint8Array(this.held.subarray(0, length));
    this.held = this.held.subarray(length);
    return taken;
  }

  async *rest(): AsyncGenerator<Uint8Array, void, void> {
    try {
      if (this.held.length > 0) yield this.held;
      for (;;) {
        const { done, value } = await this.#iterator.next();
        if (done === true) return;
        yield value;
      }
    } finally {
      await this.#iterator.return?.();
    }
  }
}
