/** Sending the bytes of one file with many writes under way, so that the distance to the server does not bound the speed. */

import type { Stats } from 'ssh2';
import { orAbort } from '../../base/abortable.ts';
import { LitestreamError } from '../../base/errors.ts';
import { ExtensionMissing, statusOf } from './errors.ts';
import type { RemoteHandle, Session } from './session.ts';

/** Bytes in one write. Some servers damage what comes in more than 32 KiB with its head. */
const PIECE_BYTES = 31 * 1024;

/** Writes under way: 2 MiB, as much as the library lets the server have unread. */
const WRITES = 64;

const LATEST_SECOND = 2 ** 32 - 1;

export class Upload {
  readonly #session: Session;
  readonly #handle: RemoteHandle;
  readonly #signal: AbortSignal | undefined;
  readonly #most: number;
  #pending: Promise<void>[] = [];
  #size = 0;
  #isClosed = false;

  /** @param concurrent false: each write waits for the one before. */
  constructor(
    session: Session,
    handle: RemoteHandle,
    { concurrent, signal }: { readonly concurrent: boolean; readonly signal: AbortSignal | undefined },
  ) {
    this.#session = session;
    this.#handle = handle;
    this.#signal = signal;
    this.#most = concurrent ? WRITES : 1;
  }

  /** Bytes taken. */
  get size(): number {
    return this.#size;
  }

  /** Takes a chunk, which may be overwritten afterwards. Rejects with the error of this or an earlier write. */
  async write(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) {
      while (this.#pending.length >= this.#most) await this.#oldest();
      const piece = chunk.subarray(at, at + PIECE_BYTES);
      const written = this.#session.write(this.#handle, piece, this.#size);
      written.catch(() => {}); // told when its turn comes
      this.#pending.push(written);
      this.#size += piece.byteLength;
    }
  }

  /**
   * Waits for everything, makes it durable where the server can, sets the time, closes. Returns what the server says of the file, undefined when
   * it says nothing. STORAGE_UNAVAILABLE when it has not kept all bytes; what closing reports, which may be a full disk.
   *
   * @param createdAt ms since the epoch, kept to the second; undefined leaves the time of writing.
   */
  async finish(createdAt: number | undefined): Promise<Stats | undefined> {
    while (this.#pending.length > 0) await this.#oldest();
    const time = createdAt === undefined ? undefined : Math.min(LATEST_SECOND, Math.max(0, Math.floor(createdAt / 1000)));
    const timed = time === undefined ? Promise.resolve() : this.#session.setTime(this.#handle, time);
    await this.#wait(Promise.all([this.#session.fsync(this.#handle).catch(unlessMissing), timed.catch(unlessRefused)]));
    const looking = this.#session.fstat(this.#handle).catch(unlessRefused);
    this.#isClosed = true;
    const [facts] = await this.#wait(Promise.all([looking, this.#session.closeWritten(this.#handle)]));
    if (facts === undefined || facts.size === this.#size) return facts;
    throw new LitestreamError('STORAGE_UNAVAILABLE', `the server kept ${facts.size} of ${this.#size} bytes`, {
      hint: 'It is tried again.',
    });
  }

  /** Closes the file, once. Never fails. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#session.close(this.#handle);
  }

  async #oldest(): Promise<void> {
    const [first] = this.#pending;
    if (first !== undefined) await this.#wait(first);
    this.#pending.shift();
  }

  #wait<T>(work: Promise<T>): Promise<T> {
    return orAbort(work, this.#signal);
  }
}

function unlessMissing(error: unknown): undefined {
  if (!(error instanceof ExtensionMissing)) throw error;
  return undefined;
}

/** A server that sets or tells no times is good enough: exact ones stand in the files. */
function unlessRefused(error: unknown): undefined {
  if (statusOf(error) === undefined) throw error;
  return undefined;
}
