/** The LTX files of one database at one destination, addressed by level and TXID range. */

import { hasCode, LitestreamError } from '../base/errors.ts';
import type { TXIDRange } from '../formats/ltx/filename.ts';
import { NO_TXID, type TXID } from '../formats/ltx/txid.ts';
import { readAll } from '../storage/body.ts';
import type { CallOptions, ObjectInfo, ObjectStore, OpenedObject, OpenOptions, PutBody } from '../storage/object-store.ts';
import { AuxObjects } from './aux-objects.ts';
import { type Fingerprint, holdsFile, settleCollision } from './collision.ts';
import { create, exists } from './create.ts';
import { CreatedFiles } from './created.ts';
import { ENCRYPTED_SUFFIX, type Encryption, encryptedWithoutKeys, noRecipients, plainAmongEncrypted } from './encrypted/encryption.ts';
import type { EncryptedFiles } from './encrypted/files.ts';
import { ExactTimes } from './exact-times.ts';
import { type FileInfo, LEVELS, type Level } from './file-info.ts';
import { keyOf, type Layout } from './layout.ts';
import { type FilePlace, filesOfAllLevels, filesOfLevel, type ListedFile } from './listing.ts';

export interface ListOptions extends CallOptions {
  /** Least minTXID (inclusive): a file that begins before it is left out even if it reaches beyond. */
  readonly seek?: TXID;
  /** Creation times as in the LTX headers, at one request a file where the store does not list them. Without it, any time the listing has. */
  readonly exactTimes?: boolean;
}

export interface ListAllOptions extends Omit<ListOptions, 'seek'> {
  /** The lowest level. */
  readonly from?: Level;
}

export interface WriteOptions extends CallOptions {
  /** Time in the LTX header, ms since the epoch. */
  readonly createdAt: number;
  /** Create only, where the store can; the default. Without it an existing file is replaced. */
  readonly ifAbsent?: boolean;
  /** The body is the file of the local log with this TXID; see `hasCreated`. */
  readonly isLocalFile?: boolean;
}

export interface RekeyOptions extends CallOptions {
  /** Time in the LTX header, ms since the epoch. */
  readonly createdAt: number;
  /** What `versionOf` said before the content was read. */
  readonly version: string | undefined;
}

/** Throws or rejects while nothing may be written. */
export type WriteGuard = () => void | Promise<void>;

export class Replica {
  readonly store: ObjectStore;
  /** Small objects beside the levels. */
  readonly aux: AuxObjects;
  readonly #layout: Layout;
  readonly #prefix: string;
  readonly #encryption: Encryption | undefined;
  /** Undefined for a reader with identities until the first file was seen: it takes either form, but never both. */
  #form: 'plain' | 'encrypted' | undefined;
  readonly #times: ExactTimes;
  readonly #created = new CreatedFiles();
  #guard: WriteGuard = () => {};
  #ended: LitestreamError | undefined;

  /**
   * @param prefix path of the replica inside the store, '' when the store is rooted there.
   * @param encryption absent: its files are plain.
   */
  constructor(store: ObjectStore, layout: Layout, prefix = '', encryption?: Encryption) {
    this.store = store;
    this.#layout = layout;
    this.#prefix = prefix;
    this.#encryption = encryption;
    this.#times = new ExactTimes(this);
    this.aux = new AuxObjects(this.#place, () => this.mayWrite());
    if (encryption === undefined) this.#form = 'plain';
    else if (encryption.sealing !== undefined) this.#form = 'encrypted';
  }

  /** Nothing that stands there may tell what is in the database. */
  get isEncrypted(): boolean {
    return this.#form === 'encrypted';
  }

  /** False where files are encrypted and no identity is there to read them: a host that only writes. */
  get canRead(): boolean {
    return this.#form !== 'encrypted' || this.#encryption?.files.canRead === true;
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
    const files = this.#accepted(filesOfLevel(this.#place, level, { seek, signal }));
    if (!exactTimes) return yield* files;
    yield* this.#times.of(files, { signal });
  }

  /**
   * The files of all levels from `from` (default 0) on, the lowest first, each as `list` gives them. Compaction moves data upward: what is merged
   * meanwhile is seen twice rather than not at all. One listing where the store can, and so a tenth of the requests.
   */
  async *listAll({ from = 0, ...options }: ListAllOptions = {}): AsyncGenerator<FileInfo, void, undefined> {
    if (this.store.capabilities.flatList !== true) {
      for (const level of LEVELS.slice(from)) yield* this.list(level, options);
      return;
    }
    const files = this.#accepted(filesOfAllLevels(this.#place, { from, signal: options.signal }));
    if (options.exactTimes === true) yield* this.#times.of(files, { signal: options.signal });
    else yield* files;
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
    let max: TXID = NO_TXID;
    if (this.store.capabilities.flatList !== true) {
      // Directory by directory, but not one after the other.
      const newest = await Promise.all(LEVELS.map((level) => this.newest(level, { signal })));
      for (const file of newest) if (file !== undefined && file.maxTXID > max) max = file.maxTXID;
      return max;
    }
    for await (const { maxTXID } of this.listAll({ signal })) if (maxTXID > max) max = maxTXID;
    return max;
  }

  /** Opens a file, whose content is delivered and counted whatever it is stored as; OBJECT_NOT_FOUND when it is gone, IDENTITY_REQUIRED when it cannot be decrypted. */
  async open(file: FileInfo, options: OpenOptions = {}): Promise<OpenedObject> {
    const form = this.#form ?? (await this.#findForm(file, options.signal));
    const key = this.key(file.level, file);
    return form === 'plain' ? this.store.open(key, options) : this.#files.open(key, options);
  }

  /** Bytes of what `open` delivers: the listed size, or, encrypted, what its header and the stored size come to. */
  async contentSize(file: FileInfo, { signal }: CallOptions = {}): Promise<number> {
    const form = this.#form ?? (await this.#findForm(file, signal));
    return form === 'plain' ? file.size : this.#files.size(this.key(file.level, file), { signal });
  }

  /**
   * Whether the file of this level and range is the one whose content is `ours`; its listed size is not looked at. Undefined when that cannot be told without
   * an identity. OBJECT_NOT_FOUND when there is none.
   */
  async holds(
    file: Pick<FileInfo, 'level' | 'minTXID' | 'maxTXID'>,
    ours: Fingerprint,
    { signal }: CallOptions = {},
  ): Promise<boolean | undefined> {
    const key = this.key(file.level, file);
    if (this.#form === 'encrypted' && this.#encryption !== undefined) return this.#encryption.holds({ ...file, key, signal }, ours);
    return holdsFile(this.store, key, ours, signal);
  }

  /** A listed file was created by this object, at a store where nothing can replace it: the local file it came from is the same. */
  hasCreated(file: FileInfo): boolean {
    return this.#created.has(file);
  }

  /** Others may have written there: what `hasCreated` knew is no longer known. */
  forgetCreated(): void {
    this.#created.clear();
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
    const written = await this.#write(level, minTXID, maxTXID, body, options);
    if (options.isLocalFile === true && options.ifAbsent !== false) this.#created.add(written);
    return written;
  }

  async #write(level: Level, minTXID: TXID, maxTXID: TXID, body: PutBody, options: WriteOptions): Promise<FileInfo> {
    await this.mayWrite();
    const { createdAt, ifAbsent = true } = options;
    const call = { signal: options.signal };
    const key = this.key(level, { minTXID, maxTXID });
    const asInfo = (object: ObjectInfo): FileInfo => ({ level, minTXID, maxTXID, size: object.size, createdAt });
    const file = { level, minTXID, maxTXID, key, body, ...call };
    const put = (bytes: PutBody): Promise<ObjectInfo> => {
      const how = { ...call, createdAt };
      return ifAbsent
        ? create(this.store, key, bytes, { ...how, onUnguarded: () => this.#created.distrust() })
        : this.store.put(key, bytes, how);
    };
    if (this.#form === 'plain' || this.#encryption === undefined) {
      return asInfo(
        await put(body).catch((cause: unknown) => {
          if (!ifAbsent || !hasCode(cause, 'PRECONDITION_FAILED')) throw cause;
          return settleCollision(this.store, { ...file, cause });
        }),
      );
    }
    if (this.#form === undefined && !(await this.#holdsEncrypted(options.signal))) {
      this.#form = 'plain';
      return this.#write(level, minTXID, maxTXID, body, options);
    }
    // Making the ciphertext may have taken long.
    const putSealed = (bytes: PutBody) => this.mayWrite().then(() => put(bytes));
    return asInfo(await this.#encryption.write({ ...file, put: putSealed }));
  }

  /** Version of a stored file, to be handed to `rekey`; undefined where the store tells none. OBJECT_NOT_FOUND when it is gone. */
  async versionOf(file: FileInfo, call: CallOptions = {}): Promise<string | undefined> {
    return (await this.store.stat(this.key(file.level, file), call)).tag;
  }

  /**
   * Replaces a file by its content, encrypted anew for the recipients, and reads back what stands there then. PRECONDITION_FAILED when it is not `version`
   * any more, where the store can tell.
   */
  async rekey(file: FileInfo, content: PutBody, { version, ...options }: RekeyOptions): Promise<FileInfo> {
    await this.mayWrite();
    if (this.#form !== 'encrypted' || this.#encryption === undefined) throw noRecipients(this.store.destination);
    const { createdAt, signal } = options;
    const ifMatch = this.store.capabilities.conditionalReplace && version !== undefined ? { ifMatch: version } : {};
    const key = this.key(file.level, file);
    const put = async (body: PutBody) => {
      await this.mayWrite();
      return this.store.put(key, body, { createdAt, signal, ...ifMatch });
    };
    const { size } = await this.#encryption.rekey({ ...file, key, body: content, signal, put });
    return { ...file, size, createdAt };
  }

  /** Deletes files; missing ones count as deleted. Fails with the keys that could not be deleted in `details.failed`. */
  async delete(files: readonly FileInfo[], options: CallOptions = {}): Promise<void> {
    if (files.length === 0) return;
    await this.mayWrite();
    await this.#remove(files, options);
  }

  /** Deletes what this process put there a moment ago, also when its writes were ended meanwhile: nobody may continue it. */
  async takeBack(file: FileInfo, options: CallOptions = {}): Promise<void> {
    await this.#remove([file], options);
  }

  async #remove(files: readonly FileInfo[], options: CallOptions): Promise<void> {
    const keys = files.map((file) => this.key(file.level, file));
    await this.store.delete(keys, options);
    for (const key of keys) this.#encryption?.files.forget(key);
  }

  /** Path of a file in the local file system, when the store keeps it there as it is. */
  localPath(file: FileInfo): string | undefined {
    if (this.#form !== 'plain') return undefined;
    return this.store.localPath?.(this.key(file.level, file));
  }

  /** The key of a file in the store. */
  key(level: Level, range: TXIDRange): string {
    return keyOf(this.#layout, this.#prefix, level, range) + (this.#form === 'encrypted' ? ENCRYPTED_SUFFIX : '');
  }

  /** Releases the store. */
  async close(): Promise<void> {
    await this.#encryption?.close();
    await this.store.close();
  }

  async *#accepted(listed: AsyncIterable<ListedFile>): AsyncGenerator<FileInfo, void, undefined> {
    for await (const { key, form, file, isTimeLost } of listed) {
      this.#expectForm(form, key);
      if (isTimeLost) this.#times.lost(file);
      yield file;
    }
  }

  get #place(): FilePlace {
    return { store: this.store, layout: this.#layout, prefix: this.#prefix };
  }

  get #files(): EncryptedFiles {
    if (this.#encryption === undefined) throw new LitestreamError('INTERNAL', 'a plain replica was read as an encrypted one');
    return this.#encryption.files;
  }

  /** Plain and encrypted files never stand side by side: the one would be invisible to whoever reads the other (decision 74). */
  #expectForm(form: 'plain' | 'encrypted', key: string): void {
    this.#form ??= form;
    if (form === this.#form) return;
    const { destination } = this.store;
    throw form === 'plain' ? plainAmongEncrypted(destination, key) : encryptedWithoutKeys(destination);
  }

  /** Of a file that was listed through another object: the one name or the other is there. */
  async #findForm(file: FileInfo, signal: AbortSignal | undefined): Promise<'plain' | 'encrypted'> {
    this.#form = (await exists(this.store, this.key(file.level, file), { signal })) ? 'plain' : 'encrypted';
    return this.#form;
  }

  async #holdsEncrypted(signal: AbortSignal | undefined): Promise<boolean> {
    await this.maxTXID(signal);
    if (this.#form === 'encrypted') throw noRecipients(this.store.destination);
    return false;
  }
}
