/** Writes the chunks of one object, several at a time, each acknowledged by the server before it counts. */

import { createHash } from 'node:crypto';
import { nuid } from 'nats';
import { orAbort } from '../../base/abortable.ts';
import { LinkedAbort } from '../../base/linked-abort.ts';
import { chunksOf } from '../body.ts';
import type { PutBody } from '../object-store.ts';
import type { JetStream } from './jetstream.ts';
import { chunkSubject } from './object-info.ts';

/** Bytes under way without an acknowledgement, at most. */
const WINDOW_BYTES = 2 * 1024 * 1024;

export interface UploadedChunks {
  readonly size: number;
  readonly chunks: number;
  readonly digest: Buffer;
}

export class ChunkUpload {
  readonly nuid = nuid.next();
  readonly chunkSize: number;
  readonly #jetStream: JetStream;
  readonly #subject: string;
  readonly #pending = new Set<Promise<unknown>>();
  readonly #hash = createHash('sha256');
  #link: LinkedAbort | undefined;
  #failure: { readonly error: unknown } | undefined;
  #size = 0;
  #chunks = 0;

  constructor(jetStream: JetStream, bucket: string, chunkSize: number) {
    this.#jetStream = jetStream;
    this.#subject = chunkSubject(bucket, this.nuid);
    this.chunkSize = chunkSize;
  }

  async run(body: PutBody, key: string, signal: AbortSignal | undefined): Promise<UploadedChunks> {
    // A chunk that is refused ends the source, too, which may be waiting for something.
    this.#link = new LinkedAbort(signal);
    try {
      return await this.#run(body, key, this.#link.signal);
    } finally {
      this.#link.release();
    }
  }

  async #run(body: PutBody, key: string, signal: AbortSignal): Promise<UploadedChunks> {
    let chunk = Buffer.allocUnsafeSlow(this.chunkSize);
    let filled = 0;
    for await (const bytes of chunksOf(body, key, signal)) {
      for (let at = 0; at < bytes.byteLength; ) {
        const taken = Math.min(this.chunkSize - filled, bytes.byteLength - at);
        chunk.set(bytes.subarray(at, at + taken), filled);
        filled += taken;
        at += taken;
        if (filled < this.chunkSize) continue;
        await this.#send(chunk, signal);
        chunk = Buffer.allocUnsafeSlow(this.chunkSize);
        filled = 0;
      }
    }
    if (filled > 0) await this.#send(chunk.subarray(0, filled), signal);
    while (this.#pending.size > 0) await this.#acknowledged(signal);
    if (this.#failure !== undefined) throw this.#failure.error;
    return { size: this.#size, chunks: this.#chunks, digest: this.#hash.digest() };
  }

  /** Waits for what is under way, then removes what was stored. */
  async discard(): Promise<void> {
    await Promise.all(this.#pending);
    if (this.#chunks > 0) await this.#jetStream.purge(this.#subject);
  }

  async #send(chunk: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    while ((this.#pending.size + 1) * this.chunkSize > WINDOW_BYTES && this.#pending.size > 0) await this.#acknowledged(signal);
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#hash.update(chunk);
    this.#size += chunk.byteLength;
    this.#chunks += 1;
    // The signal ends the waiting, not the request: a chunk that is stored later has to be known when the rest is removed.
    const publishing: Promise<unknown> = this.#jetStream
      .publish(this.#subject, chunk)
      .catch((error: unknown) => {
        this.#failure ??= { error };
        this.#link?.abort(this.#failure.error);
      })
      .finally(() => this.#pending.delete(publishing));
    this.#pending.add(publishing);
  }

  async #acknowledged(signal: AbortSignal | undefined): Promise<void> {
    await orAbort(Promise.race(this.#pending), signal);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
