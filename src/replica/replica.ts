/** The LTX files of one database at one destination, addressed by level and TXID range. */

import { LitestreamError } from '../base/errors.ts';
import { parseLTXName, type TXIDRange } from '../formats/ltx/filename.ts';
import { decodeHeader, LTX_HEADER_SIZE } from '../formats/ltx/header.ts';
import { formatTXID, NO_TXID, type TXID } from '../formats/ltx/txid.ts';
import { bytesBody, readAll } from '../storage/body.ts';
import { compareKeys } from '../storage/key.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody } from '../storage/object-store.ts';
import { settleCollision } from './collision.ts';
import { type FileInfo, LEVELS, type Level } from './file-info.ts';
import { keyOf, type Layout } from './layout.ts';
import { localTime } from './local-time.ts';

/** Requests in flight while exact times are fetched one by one. */
const EXACT_TIME_BATCH = 16;

/** Most bytes of an object beside the levels. */
const AUX_BYTES = 64 * 1024;

const ENCRYPTED_NAME = /^[0-9a-f]{16}-[0-9a-f]{16}\.ltx\.age$/;

export interface ListOptions extends CallOptions {
  /** Least minTXID (inclusive): a file that begins before it is left out even if it reaches beyond. */
  readonly seek?: TXID;
  /** Creation times as in the LTX headers, at one request a file where the store does not list them. Without it, any time the listing has. */
  readonly exactTimes?: boolean;
}

export interface WriteOptions extends CallOptions {
  /** Time in the LTX header, ms since the epoch. */
  readonly createdAt: number;
  /** Create only, where the store can; the default. Without it an existing file is replaced. */
  readonly ifAbsent?: boolean;
}

/** Throws or rejects while nothing may be written. */
export type WriteGuard = () => void | Promise<void>;

export class Replica {
  readonly store: ObjectStore;
  readonly #layout: Layout;
  readonly #prefix: string;
  #guard: WriteGuard = () => {};
  #ended: LitestreamError | undefined;

  /** @param prefix path of the replica inside the store, '' when the store is rooted there. */
  constructor(store: ObjectStore, layout: Layout, prefix = '') {
    this.store = store;
    this.#layout = layout;
    this.#prefix = prefix;
  }

  /** Path of the replica inside the store, '' when the store is rooted there. */
  get prefix(): string {
    return this.#prefix;
  }

  /** From now on nothing is written or deleted there unless `guard` returns; what it throws is what the writer gets. */
  guardWrites(guard: WriteGuard): void {
    this.#guard = guard;
  }

  /** From now on every write and deletion through this object fails with `reason`: another writer was found. Undefined allows them again. */
  endWrites(reason: LitestreamError | undefined): void {
    this.#ended = reason;
  }

  /** Resolves when something may be written or deleted now; for work that then writes through a client of its own. */
  async mayWrite(): Promise<void> {
    if (this.#ended !== undefined) throw this.#ended;
    await this.#guard();
    // It may have been found while the guard waited.
    if (this.#ended !== undefined) throw this.#ended;
  }

  /**
   * Files of a level by (minTXID, maxTXID). Names that are not LTX names are skipped, but encrypted files are NOT_SUPPORTED: skipping them
   * would make a full replica look empty. A store that does not keep to the order is NOT_SUPPORTED, too. Nothing is a snapshot: files may
   * come and go meanwhile.
   */
  async *list(level: Level, { seek = NO_TXID, exactTimes = false, signal }: ListOptions = {}): AsyncGenerator<FileInfo, void, undefined> {
    const files = this.#listed(level, seek, signal);
    if (!exactTimes) return yield* files;
    if (this.store.localPath !== undefined) return yield* this.#withLocalTimes(files);
    if (this.store.capabilities.timestamps === 'listing') return yield* files;
    let batch: FileInfo[] = [];
    for await (const file of files) {
      batch.push(file);
      if (batch.length < EXACT_TIME_BATCH) continue;
      yield* await this.#withExactTimes(batch, signal);
      batch = [];
    }
    yield* await this.#withExactTimes(batch, signal);
  }

  /** The file of a level that reaches furthest, or undefined for an empty level. */
  async newest(level: Level, options: CallOptions = {}): Promise<FileInfo | undefined> {
    let newest: FileInfo | undefined;
    for await (const file of this.list(level, options)) {
      if (newest === undefined || file.maxTXID >= newest.maxTXID) newest = file;
    }
    return newest;
  }

  /** The replica's position: the largest maxTXID over all levels (decision 26); 0 when there are no files. */
  async maxTXID(signal?: AbortSignal): Promise<TXID> {
    const newest = await Promise.all(LEVELS.map((level) => this.newest(level, { signal })));
    return newest.reduce((max, file) => (file !== undefined && file.maxTXID > max ? file.maxTXID : max), NO_TXID);
  }

  /** Opens a file; OBJECT_NOT_FOUND when it is gone. */
  async open(file: FileInfo, options: OpenOptions = {}): Promise<OpenedObject> {
    return this.store.open(this.key(file.level, file), options);
  }

  /** The bytes of a range that is small enough to be held in memory; fewer when the file ends first. */
  async read(file: FileInfo, options: OpenOptions = {}): Promise<Uint8Array> {
    return readAll(await this.open(file, options));
  }

  /**
   * Stores a file, all or nothing. When one of its name exists already: success if it is the very same file (an earlier attempt whose answer
   * was lost), at levels 1 and above also if it is a valid file of this range, which is then adopted; SECOND_WRITER otherwise.
   */
  async write(level: Level, minTXID: TXID, maxTXID: TXID, body: PutBody, options: WriteOptions): Promise<FileInfo> {
    await this.mayWrite();
    const { createdAt, ifAbsent = true } = options;
    const call = { signal: options.signal };
    const key = this.key(level, { minTXID, maxTXID });
    const asInfo = (object: ObjectInfo): FileInfo => ({ level, minTXID, maxTXID, size: object.size, createdAt });
    const createOnly = ifAbsent && this.store.capabilities.conditionalPut;
    try {
      return asInfo(await this.store.put(key, body, { ...call, createdAt, ifAbsent: createOnly }));
    } catch (error) {
      if (!createOnly || !(error instanceof LitestreamError)) throw error;
      if (error.code === 'NOT_SUPPORTED') {
        // The destination turns out to lack what its kind usually has (a file system without hard links): look, then write.
        if (!(await this.#exists(key, call))) return asInfo(await this.store.put(key, body, { ...call, createdAt }));
      } else if (error.code !== 'PRECONDITION_FAILED') throw error;
      return asInfo(await settleCollision(this.store, { level, minTXID, maxTXID, key, body, cause: error, ...call }));
    }
  }

  /** Deletes files; missing ones count as deleted. Fails with the keys that could not be deleted in `details.failed`. */
  async delete(files: readonly FileInfo[], options: CallOptions = {}): Promise<void> {
    if (files.length === 0) return;
    await this.mayWrite();
    await this.store.delete(
      files.map((file) => this.key(file.level, file)),
      options,
    );
  }

  /** Bytes of a small object beside the levels; undefined when there is none. TOO_LARGE above AUX_BYTES. */
  async readAux(name: string, options: CallOptions = {}): Promise<Uint8Array | undefined> {
    try {
      const bytes = await readAll(await this.store.open(this.auxKey(name), { ...options, length: AUX_BYTES + 1 }));
      if (bytes.byteLength <= AUX_BYTES) return bytes;
    } catch (error) {
      if (error instanceof LitestreamError && error.code === 'OBJECT_NOT_FOUND') return undefined;
      throw error;
    }
    throw new LitestreamError('TOO_LARGE', `reading ${name} of ${this.store.destination}: it is larger than ${AUX_BYTES} bytes`);
  }

  /** Stores or replaces a small object beside the levels, all or nothing. */
  async writeAux(name: string, bytes: Uint8Array, options: CallOptions = {}): Promise<void> {
    await this.mayWrite();
    await this.store.put(this.auxKey(name), bytesBody(bytes), options);
  }

  /** The key of a small object beside the levels, for those who need more of the store than bytes. */
  auxKey(name: string): string {
    return this.#prefix === '' ? name : this.#layout.auxKey(this.#prefix, name);
  }

  /** Path of a file in the local file system, when the store keeps it there. */
  localPath(file: FileInfo): string | undefined {
    return this.store.localPath?.(this.key(file.level, file));
  }

  /** The key of a file in the store. */
  key(level: Level, range: TXIDRange): string {
    return keyOf(this.#layout, this.#prefix, level, range);
  }

  /** Releases the store. */
  async close(): Promise<void> {
    await this.store.close();
  }

  async *#listed(level: Level, seek: TXID, signal: AbortSignal | undefined): AsyncGenerator<FileInfo, void, undefined> {
    const prefix = this.#layout.levelPrefix(this.#prefix, level);
    // Every name from `seek` on is longer than the bare TXID and so comes after it.
    const start = seek === NO_TXID ? {} : { after: prefix + formatTXID(seek) };
    let last = '';
    for await (const { key, size, createdAt } of this.store.list(prefix, { ...start, signal })) {
      if (key === last) continue;
      // Everything above goes by the order, and a listing that breaks off is taken up behind its last key.
      if (compareKeys(key, last) < 0) throw disordered(this.store.destination, last, key);
      last = key;
      const name = key.slice(prefix.length);
      const range = parseLTXName(name);
      if (range !== undefined) yield { level, ...range, size, createdAt };
      else if (ENCRYPTED_NAME.test(name)) throw encrypted(this.store.destination);
    }
  }

  async *#withLocalTimes(files: AsyncIterable<FileInfo>): AsyncGenerator<FileInfo, void, undefined> {
    for await (const file of files) {
      const path = this.localPath(file);
      yield { ...file, createdAt: (path === undefined ? undefined : localTime(path)) ?? file.createdAt };
    }
  }

  #withExactTimes(files: readonly FileInfo[], signal: AbortSignal | undefined): Promise<FileInfo[]> {
    return Promise.all(files.map(async (file) => ({ ...file, createdAt: await this.#exactTime(file, signal) })));
  }

  async #exactTime(file: FileInfo, signal: AbortSignal | undefined): Promise<number> {
    if (this.store.capabilities.timestamps === 'stat') return (await this.store.stat(this.key(file.level, file), { signal })).createdAt;
    return decodeHeader(await this.read(file, { length: LTX_HEADER_SIZE, signal })).timestamp;
  }

  async #exists(key: string, call: CallOptions): Promise<boolean> {
    try {
      await this.store.stat(key, call);
      return true;
    } catch (error) {
      if (error instanceof LitestreamError && error.code === 'OBJECT_NOT_FOUND') return false;
      throw error;
    }
  }
}

const encrypted = (destination: string): LitestreamError =>
  new LitestreamError('NOT_SUPPORTED', `the replica at ${destination} holds encrypted files`, {
    hint: 'Give the age identities it was encrypted for, or another destination.',
  });

const disordered = (destination: string, last: string, key: string): LitestreamError =>
  new LitestreamError(
    'NOT_SUPPORTED',
    `listing ${destination}: ${key} comes after ${last}, and a listing has to be in the order of its keys`,
    {
      hint: 'Use a service that lists objects in order; nothing was changed there.',
    },
  );
