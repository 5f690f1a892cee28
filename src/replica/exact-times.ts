/** Creation times as in the LTX headers, by the cheapest way a store and a form have. */

import { decodeHeader, LTX_HEADER_SIZE } from '../formats/ltx/header.ts';
import type { CallOptions, ObjectStore } from '../storage/object-store.ts';
import type { FileInfo } from './file-info.ts';
import { localTime } from './local-time.ts';
import type { Replica } from './replica.ts';

/** Requests in flight while times are fetched one by one. */
const BATCH = 16;

export class ExactTimes {
  readonly #replica: Replica;
  readonly #store: ObjectStore;
  /** Listed with a time that is not theirs: copied without their metadata. Absent while there are none. */
  #lost: WeakSet<FileInfo> | undefined;

  constructor(replica: Replica) {
    this.#replica = replica;
    this.#store = replica.store;
  }

  /** `file` was listed with a time that is not its own. */
  lost(file: FileInfo): void {
    this.#lost = (this.#lost ?? new WeakSet()).add(file);
  }

  /** The same files, with their times. */
  async *of(files: AsyncIterable<FileInfo>, call: CallOptions): AsyncGenerator<FileInfo, void, undefined> {
    let batch: FileInfo[] = [];
    for await (const file of files) {
      // What costs no request waits for nothing.
      const path = this.#replica.localPath(file);
      if (path !== undefined) yield { ...file, createdAt: localTime(path) ?? file.createdAt };
      else batch.push(file);
      if (batch.length < BATCH) continue;
      yield* await this.#all(batch, call);
      batch = [];
    }
    yield* await this.#all(batch, call);
  }

  #all(files: readonly FileInfo[], call: CallOptions): Promise<FileInfo[]> {
    return Promise.all(files.map(async (file) => ({ ...file, createdAt: await this.#of(file, call) })));
  }

  async #of(file: FileInfo, call: CallOptions): Promise<number> {
    const { capabilities, localPath } = this.#store;
    // A directory that was copied has other times, and does not know.
    if (capabilities.timestamps === 'listing' && localPath === undefined && this.#lost?.has(file) !== true) return file.createdAt;
    if (capabilities.timestamps === 'stat') {
      const { createdAt, exactTime } = await this.#store.stat(this.#replica.key(file.level, file), call);
      if (exactTime !== false) return createdAt;
    }
    return this.#replica.isEncrypted ? this.#decrypted(file, call) : this.#header(file, call);
  }

  /** What is wrong with the file is told when it is needed itself, and so is a missing identity. */
  async #decrypted(file: FileInfo, call: CallOptions): Promise<number> {
    try {
      return this.#replica.canRead ? await this.#header(file, call) : file.createdAt;
    } catch {
      call.signal?.throwIfAborted();
      return file.createdAt;
    }
  }

  async #header(file: FileInfo, call: CallOptions): Promise<number> {
    return decodeHeader(await this.#replica.read(file, { ...call, length: LTX_HEADER_SIZE })).timestamp;
  }
}
