/** Encrypts every file of a replica for its present recipients (docs/engine.md, Encryption; decision 75). */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorToData, hasCode, type LitestreamError } from '../../base/errors.ts';
import { describeFile, type FileInfo } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';
import { bytesBody, fileBody } from '../../storage/body.ts';
import type { FetchResult } from '../repair/fetch.ts';
import { checkFile } from '../repair/inspect.ts';
import { filesAfter, REKEY_NAME, readProgress, writeProgress } from './progress.ts';

/** Stored bytes up to which a file is done here, in memory. */
const SMALL_BYTES = 1024 * 1024;
/** Files between two notes of how far it has come. */
const NOTE_FILES = 64;

export interface RekeyTask {
  readonly replica: Replica;
  /** Everything that is listed. */
  readonly files: readonly FileInfo[];
  /** `age1…`: for whom. */
  readonly recipients: readonly string[];
  /** Only says what would be done. */
  readonly isDryRun: boolean;
  /** Where large files are kept on their way; exists. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** Brings a verified copy to `path`; rejects when it is not whole. */
  readonly fetch: (file: FileInfo, path: string) => Promise<FetchResult>;
  /** Runs `work` while nobody else of this process merges or deletes there. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
  readonly onProgress: (done: number, total: number) => void;
}

export interface RekeyOutcome {
  /** Done in this run; with `isDryRun` what would be. */
  readonly files: number;
  /** Stored bytes of them. */
  readonly bytes: number;
  /** Done by an earlier run that was interrupted. */
  readonly before: number;
  /** Merged away or expired meanwhile. */
  readonly gone: number;
  /** Left as they are: damaged, or for others. */
  readonly left: readonly { readonly file: FileInfo; readonly error: LitestreamError }[];
}

/** One file after the other. Rejects when the replica cannot be read or written: another run goes on from there. */
export async function rekeyReplica(task: RekeyTask): Promise<RekeyOutcome> {
  const { replica, recipients, isDryRun, signal } = task;
  const rest = filesAfter(task.files, await readProgress(replica, recipients, { signal }));
  const before = task.files.length - rest.length;
  if (isDryRun) return { files: rest.length, bytes: rest.reduce((sum, { size }) => sum + size, 0), before, gone: 0, left: [] };
  const run = new Run(task, rest);
  await run.all();
  return { ...run.outcome, before };
}

class Run {
  readonly #task: RekeyTask;
  readonly #files: readonly FileInfo[];
  readonly #left: { readonly file: FileInfo; readonly error: LitestreamError }[] = [];
  #done = 0;
  #bytes = 0;
  #gone = 0;
  #last: FileInfo | undefined;

  constructor(task: RekeyTask, files: readonly FileInfo[]) {
    this.#task = task;
    this.#files = files;
  }

  get outcome(): Omit<RekeyOutcome, 'before'> {
    return { files: this.#done, bytes: this.#bytes, gone: this.#gone, left: this.#left };
  }

  async all(): Promise<void> {
    const { signal, alone, onProgress, replica } = this.#task;
    try {
      for (const [index, file] of this.#files.entries()) {
        signal.throwIfAborted();
        await alone(() => this.#one(file));
        this.#last = file;
        onProgress(index + 1, this.#files.length);
        if ((index + 1) % NOTE_FILES === 0) await this.#note();
      }
    } catch (error) {
      await this.#note().catch(() => {}); // the first error is the one that counts
      throw error;
    }
    // What was left is tried again by the next run.
    await replica.aux.remove(REKEY_NAME, { signal });
  }

  async #note(): Promise<void> {
    if (this.#last !== undefined) await writeProgress(this.#task.replica, this.#task.recipients, this.#last);
  }

  async #one(file: FileInfo): Promise<void> {
    const { signal } = this.#task;
    try {
      const { size } = await this.#rekey(file);
      this.#done += 1;
      this.#bytes += size;
    } catch (error) {
      signal.throwIfAborted();
      if (hasCode(error, 'OBJECT_NOT_FOUND') || hasCode(error, 'PRECONDITION_FAILED')) this.#gone += 1;
      else if (isOfTheFile(error)) this.#left.push({ file, error });
      else throw error;
    }
  }

  async #rekey(file: FileInfo): Promise<FileInfo> {
    const { replica, scratch, fetch, signal } = this.#task;
    const version = await replica.versionOf(file, { signal });
    if (file.size <= SMALL_BYTES) {
      const bytes = await replica.read(file, { signal });
      const { timestamp } = await checkFile(file, once(bytes), () => {});
      return replica.rekey(file, bytesBody(bytes), { createdAt: timestamp, version, signal });
    }
    const path = join(scratch, `${describeFile(file).replaceAll(' ', '-')}.ltx`);
    try {
      await rm(path, { force: true });
      const { size, timestamp } = await fetch(file, path);
      return await replica.rekey(file, fileBody(path, size), { createdAt: timestamp, version, signal });
    } finally {
      await rm(path, { force: true });
    }
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** What another file may not have. */
function isOfTheFile(error: unknown): error is LitestreamError {
  return ['LTX_INVALID', 'LTX_CHECKSUM_MISMATCH', 'LTX_TRUNCATED', 'IDENTITY_REQUIRED'].includes(errorToData(error).code);
}
