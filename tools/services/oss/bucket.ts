/** The buckets of the fake: objects and unfinished uploads, in memory. */

import { createHash, randomBytes } from 'node:crypto';

/** A refusal of OSS. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly modified: Date;
  /** Headers `x-oss-meta-…`. */
  readonly metadata: Readonly<Record<string, string>>;
}

interface Upload {
  readonly key: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly parts: Map<number, { readonly bytes: Buffer; readonly etag: string }>;
}

export interface Page {
  readonly contents: readonly (readonly [string, StoredObject])[];
  readonly next: string | undefined;
}

const SMALLEST_PART = 100 * 1024;

export class Bucket {
  readonly name: string;
  readonly #objects = new Map<string, StoredObject>();
  readonly #uploads = new Map<string, Upload>();

  constructor(name: string) {
    this.name = name;
  }

  get(key: string): StoredObject {
    const object = this.#objects.get(key);
    if (object === undefined) throw new Refused(404, 'NoSuchKey', 'The specified key does not exist.');
    if (key.startsWith('archived/')) throw new Refused(403, 'InvalidObjectState', "The operation is not valid for the object's state");
    return object;
  }

  put(
    key: string,
    bytes: Buffer,
    metadata: Readonly<Record<string, string>>,
    forbidOverwrite: boolean,
    etag = etagOf(bytes),
  ): StoredObject {
    if (forbidOverwrite && this.#objects.has(key))
      throw new Refused(409, 'FileAlreadyExists', 'The object you specified already exists and can not be overwritten.');
    const object = { bytes, etag, modified: new Date(), metadata };
    this.#objects.set(key, object);
    return object;
  }

  /** Objects under `retained/` cannot be deleted, as under a retention policy. */
  delete(key: string): void {
    if (key.startsWith('retained/')) throw new Refused(409, 'FileImmutable', 'The object you specified is immutable.');
    this.#objects.delete(key);
  }

  /** Keys in the order of their bytes. */
  list(prefix: string, after: string, most: number): Page {
    const order = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));
    const keys = [...this.#objects.keys()].filter((key) => key.startsWith(prefix) && order(key, after) > 0).sort(order);
    const contents = keys.slice(0, most).flatMap((key) => {
      const object = this.#objects.get(key);
      return object === undefined ? [] : [[key, object] as const];
    });
    return { contents, next: keys.length > most ? contents.at(-1)?.[0] : undefined };
  }

  get uploads(): readonly (readonly [string, string])[] {
    return [...this.#uploads].map(([id, { key }]) => [id, key]);
  }

  beginUpload(key: string, metadata: Readonly<Record<string, string>>, forbidOverwrite: boolean): string {
    if (forbidOverwrite && this.#objects.has(key))
      throw new Refused(409, 'FileAlreadyExists', 'The object you specified already exists and can not be overwritten.');
    const id = randomBytes(16).toString('hex').toUpperCase();
    this.#uploads.set(id, { key, metadata, parts: new Map() });
    return id;
  }

  putPart(key: string, id: string, number: number, bytes: Buffer): string {
    if (!Number.isInteger(number) || number < 1 || number > 10_000)
      throw new Refused(400, 'InvalidArgument', 'Part number must be an integer between 1 and 10000.');
    const etag = etagOf(bytes);
    this.#upload(key, id).parts.set(number, { bytes, etag });
    return etag;
  }

  /** @param named part numbers and ETags, in the order of the request. */
  completeUpload(key: string, id: string, named: readonly (readonly [number, string])[], forbidOverwrite: boolean): StoredObject {
    const { parts, metadata } = this.#upload(key, id);
    const chosen = named.map(([number, etag]) => {
      const part = parts.get(number);
      if (part === undefined || part.etag !== etag)
        throw new Refused(400, 'InvalidPart', 'One or more of the specified parts could not be found.');
      return part;
    });
    if (named.length === 0 || named.some(([number], i) => number <= (named[i - 1]?.[0] ?? 0)))
      throw new Refused(400, 'InvalidPartOrder', 'The list of parts was not in ascending order.');
    if (chosen.slice(0, -1).some(({ bytes }) => bytes.length < SMALLEST_PART))
      throw new Refused(400, 'EntityTooSmall', 'Your proposed upload smaller than the minimum allowed size.');
    const etag = `${createHash('md5')
      .update(chosen.map((part) => part.etag).join(''))
      .digest('hex')
      .toUpperCase()}-${chosen.length}`;
    const object = this.put(key, Buffer.concat(chosen.map(({ bytes }) => bytes)), metadata, forbidOverwrite, etag);
    this.#uploads.delete(id);
    return object;
  }

  abortUpload(key: string, id: string): void {
    this.#upload(key, id);
    this.#uploads.delete(id);
  }

  #upload(key: string, id: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload === undefined || upload.key !== key) throw new Refused(404, 'NoSuchUpload', 'The specified upload does not exist.');
    return upload;
  }
}

const etagOf = (bytes: Buffer): string => createHash('md5').update(bytes).digest('hex').toUpperCase();
