/**
 * Bytes under keys: the interface of every back end and what each operation promises (decision 4).
 *
 * Keys are relative, `/`-separated, without a leading slash. An aborted call changes nothing it has not already reported.
 */

/** What a store can and cannot do, as data. */
export interface StoreCapabilities {
  /** Where the creation time handed to `put` comes back: with each listing, only from `stat`, or nowhere. */
  readonly timestamps: 'listing' | 'stat' | 'none';
  /** `put` with `ifAbsent` fails with PRECONDITION_FAILED when the key exists, atomically. */
  readonly conditionalPut: boolean;
  /** `put` with `ifMatch` replaces exactly the version that was named, atomically, and `stat` and `put` tell tags. */
  readonly conditionalReplace: boolean;
  /** Ranges cost only the bytes asked for. Without it `open` delivers the same bytes, but skipped ones may travel too. */
  readonly rangeRead: boolean;
  /** A partly written object is never visible. */
  readonly atomicPut: boolean;
  /** A listing costs by the objects below its prefix, however many levels of names there are; without it, by the directories. */
  readonly flatList?: true;
  /** Largest number of keys the service deletes in one request. `delete` takes any number. */
  readonly maxDeleteBatch: number;
  /** `put` must be told the size beforehand. */
  readonly needsSize: boolean;
}

export interface ObjectInfo {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Creation time in ms since the epoch as good as the capability says; the store's own modification time otherwise. */
  readonly createdAt: number;
  /** false: the creation time is lost although the capability promises it (a bucket copied without its metadata), and `createdAt` is the store's own. */
  readonly exactTime?: boolean;
  /** Version as in OpenedObject, from `stat` and `put` where the store can tell it; never from listings. */
  readonly tag?: string;
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface OpenOptions extends CallOptions {
  /** First byte, default 0. */
  readonly offset?: number;
  /** Number of bytes, default to the end; fewer are delivered when the object ends first. */
  readonly length?: number;
  /** A chunk is done with when the next is asked for, or the body is left: its memory may be gone then, or hold other bytes. */
  readonly transient?: boolean;
}

export interface OpenedObject {
  /** Size of the whole object when the store tells it. */
  readonly size: number | undefined;
  /** Opaque version of the object (ETag, generation, inode and mtime …): two opens with different tags are two objects. */
  readonly tag: string | undefined;
  /** The bytes, once. Leaving the loop early releases the connection. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Releases everything without draining; safe to call twice. */
  close(): Promise<void>;
}

/** What is put. `open` may be called again by a retry and must deliver the same bytes. */
export interface PutBody {
  /** Bytes, when known beforehand. */
  readonly size?: number;
  /** Local file with the same bytes, for whoever wants them in another thread. What `open` would have checked on the way has to be checked there. */
  readonly path?: string;
  open(use?: BodyUse): AsyncIterable<Uint8Array>;
}

export interface BodyUse {
  /** A chunk is done with when the next is asked for, so that the source may use its memory again. */
  readonly transient?: boolean;
}

export interface PutOptions extends CallOptions {
  /** Creation time to store with the object, ms since the epoch. */
  readonly createdAt?: number;
  /** Create only: PRECONDITION_FAILED when the key exists. NOT_SUPPORTED without the capability. */
  readonly ifAbsent?: boolean;
  /**
   * Replace only the version with this tag, as `open`, `stat` or `put` told it: PRECONDITION_FAILED when the object is another one or gone.
   * NOT_SUPPORTED without the capability. Keys that are replaced so are written in no other way, except that the first version is created
   * with `ifAbsent`; never together with it. A retried put may find its own success: the content has to tell.
   */
  readonly ifMatch?: string;
}

export interface AbandonedOptions extends CallOptions {
  /** Uploads that were begun, and had their last part, longer ago than this, ms. */
  readonly idleMs: number;
  /** Others are left alone. */
  readonly isOurs: (key: string) => boolean;
}

export interface ObjectStore {
  /** The configuration's word for it: `file`, `memory`, later `s3` … */
  readonly type: string;
  readonly capabilities: StoreCapabilities;
  /** Where this store points, without credentials, for people. */
  readonly destination: string;

  /** Objects whose key starts with `prefix`, in key order, after `after` (exclusive). A missing prefix is an empty list; a missing container, a denied or an unintelligible answer is an error, never an empty list. */
  list(prefix: string, options?: CallOptions & { readonly after?: string }): AsyncIterable<ObjectInfo>;
  /** Opens an object; OBJECT_NOT_FOUND is raised here, not at the first read. */
  open(key: string, options?: OpenOptions): Promise<OpenedObject>;
  /** All or nothing. Overwrites unless `ifAbsent` or `ifMatch`. */
  put(key: string, body: PutBody, options?: PutOptions): Promise<ObjectInfo>;
  /** Facts of one object, with the creation time as exact as the store can. OBJECT_NOT_FOUND when absent. */
  stat(key: string, options?: CallOptions): Promise<ObjectInfo>;
  /** Deletes all; missing ones count as deleted. Fails with the keys that could not be deleted in `details.failed`. */
  delete(keys: readonly string[], options?: CallOptions): Promise<void>;
  close(): Promise<void>;

  /** What about the destination endangers what is kept there, as sentences for people; asks the service. For stores that can tell. */
  concerns?(options?: CallOptions): Promise<readonly string[]>;

  /**
   * Ends uploads in parts below `prefix` whose process has died, and tells how many. For stores that would keep their parts for ever. Rights
   * for it may be missing where everything else is allowed.
   */
  endAbandoned?(prefix: string, options: AbandonedOptions): Promise<number>;

  /** Path of an object in the local file system, for stores that have one: readers may then read it in place. */
  localPath?(key: string): string;
}
