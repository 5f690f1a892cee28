/** Buckets and objects of the fake Cloud Storage server, in memory. */

import { createHash } from 'node:crypto';

export interface StoredObject {
  readonly name: string;
  readonly bytes: Buffer;
  readonly generation: number;
  readonly timeCreated: string;
  readonly contentType: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly md5: string;
  /** Not told of large objects: in plain code it would take longer than everything else. */
  readonly crc32c: string | undefined;
}

/** What the client says of an object beside its bytes: the JSON resource of the request. */
export interface ObjectResource {
  readonly name?: string;
  readonly contentType?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly md5Hash?: string;
  readonly crc32c?: string;
}

export interface Listing {
  readonly items: readonly StoredObject[];
  readonly prefixes: readonly string[];
  readonly nextPageToken?: string;
}

/** An answer of the protocol that is a failure. */
export class ProtocolError extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, reason: string, message: string) {
    super(message);
    this.status = status;
    this.reason = reason;
  }
}

export class Bucket {
  readonly name: string;
  readonly #objects = new Map<string, StoredObject>();
  #order: string[] | undefined;
  // Generations rise over all objects, as microseconds do in the real service.
  #generation = 1_700_000_000_000_000;

  constructor(name: string) {
    this.name = name;
  }

  get(name: string): StoredObject {
    const object = this.#objects.get(name);
    if (object === undefined) throw new ProtocolError(404, 'notFound', `No such object: ${this.name}/${name}`);
    return object;
  }

  /** Fails with 412 unless the object's generation is the expected one; 0 expects none. */
  checkGeneration(name: string, expected: string | null): void {
    if (expected === null) return;
    if (!/^\d+$/.test(expected)) throw new ProtocolError(400, 'invalid', `Invalid value for ifGenerationMatch: ${expected}`);
    if (String(this.#objects.get(name)?.generation ?? 0) === expected) return;
    throw new ProtocolError(412, 'conditionNotMet', 'At least one of the pre-conditions you specified did not hold.');
  }

  put(name: string, bytes: Buffer, resource: ObjectResource): StoredObject {
    const md5 = createHash('md5').update(bytes).digest('base64');
    const crc32c = bytes.length > CRC_BYTES && resource.crc32c === undefined ? undefined : crc32cOf(bytes);
    for (const [given, real] of [[resource.md5Hash, md5] as const, [resource.crc32c, crc32c] as const]) {
      if (given !== undefined && given !== real) {
        throw new ProtocolError(400, 'invalid', `Provided hash "${given}" doesn't match calculated hash "${real}".`);
      }
    }
    if (!this.#objects.has(name)) this.#order = undefined;
    this.#generation += 1;
    const object: StoredObject = {
      name,
      bytes,
      generation: this.#generation,
      timeCreated: new Date().toISOString(),
      contentType: resource.contentType ?? 'application/octet-stream',
      metadata: resource.metadata ?? {},
      md5,
      crc32c,
    };
    this.#objects.set(name, object);
    return object;
  }

  delete(name: string): void {
    this.get(name);
    this.#objects.delete(name);
    this.#order = undefined;
  }

  list(query: URLSearchParams): Listing {
    const prefix = query.get('prefix') ?? '';
    const delimiter = query.get('delimiter') ?? '';
    const from = query.get('pageToken') === null ? undefined : Buffer.from(query.get('pageToken') ?? '', 'base64url').toString();
    const start = query.get('startOffset') ?? '';
    const limit = Math.max(1, Math.min(1000, Number(query.get('maxResults') ?? 1000)));
    const items: StoredObject[] = [];
    const prefixes = new Set<string>();
    for (const name of this.#names()) {
      if (!name.startsWith(prefix) || compare(name, start) < 0 || (from !== undefined && compare(name, from) <= 0)) continue;
      if (items.length + prefixes.size === limit) {
        return { items, prefixes: [...prefixes], nextPageToken: Buffer.from(items.at(-1)?.name ?? '').toString('base64url') };
      }
      const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length);
      if (cut >= 0) prefixes.add(name.slice(0, cut + delimiter.length));
      else items.push(this.get(name));
    }
    return { items, prefixes: [...prefixes] };
  }

  #names(): readonly string[] {
    this.#order ??= [...this.#objects.keys()].sort(compare);
    return this.#order;
  }
}

/** By the bytes of the UTF-8 form. */
const compare = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Objects up to this size have a CRC. */
const CRC_BYTES = 1024 * 1024;

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1;
  return value;
});

/** Castagnoli, base64 of the big-endian number. */
function crc32cOf(bytes: Uint8Array): string {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (CRC_TABLE[(crc ^ byte) & 0xff] ?? 0);
  const encoded = Buffer.alloc(4);
  encoded.writeUInt32BE((crc ^ 0xffffffff) >>> 0);
  return encoded.toString('base64');
}
