/** Uploads in parts: equal ones, several in flight, each repeated by itself, and nothing left behind by a failure. */

import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { Backoff } from '../../base/backoff.ts';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import type { PutOptions } from '../object-store.ts';
import { tagOf } from './conditions.ts';
import { PartPool } from './part-pool.ts';
import { partSizeFor } from './part-size.ts';
import { parametersOf, type Stored, type UploadPlace } from './put-parameters.ts';
import { type ObjectPlace, statObject } from './reading.ts';

const PART_ATTEMPTS = 5;
const PART_BACKOFF = { initialMs: 200, capMs: 5_000, jitter: 0.5 };
/** Longest wait for the service to forget a failed upload. */
const ABANDON_MS = 5_000;
/** The same when the caller has gone. */
const ABANDON_ABORTED_MS = 1_000;

export interface PartSource {
  /** What has been read already. */
  readonly head: Uint8Array;
  /** The rest. */
  readonly chunks: AsyncIterator<Uint8Array>;
  /** Bytes in all, when known. */
  readonly size: number | undefined;
}

/**
 * Uploads head and chunks. On any failure what is in flight is stopped, the upload is abandoned, and the first error is thrown: that of the
 * source is the source's own.
 *
 * @param stop fires with the caller's signal, and is fired here to stop the source.
 */
export async function uploadParts(place: UploadPlace, source: PartSource, options: PutOptions, stop: AbortController): Promise<Stored> {
  const { session, bucket, key } = place;
  const call = { operation: 'put', key, signal: stop.signal } as const;
  const command = new CreateMultipartUploadCommand(parametersOf(place, options));
  const { UploadId } = await repeated(place, stop.signal, () => session.call(call, (client, http) => client.send(command, http)));
  if (UploadId === undefined || UploadId === '') throw session.unintelligible(call, 'an upload without an id');
  const upload = new Upload(place, UploadId, stop);
  try {
    const { parts, size } = await upload.send(source);
    return { size, tag: await upload.complete(parts, size, options) };
  } catch (error) {
    stop.abort(error);
    await upload.settled();
    const abort = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId });
    const signal = AbortSignal.timeout(options.signal?.aborted === true ? ABANDON_ABORTED_MS : ABANDON_MS);
    const abandoned = await session
      .call({ ...call, signal }, (client, http) => client.send(abort, http))
      .then(
        () => true,
        () => false,
      );
    throw abandoned || !(error instanceof LitestreamError) ? error : leftBehind(error, UploadId);
  }
}

class Upload {
  readonly #place: UploadPlace;
  readonly #id: string;
  readonly #stop: AbortController;
  readonly #running = new Set<Promise<void>>();

  constructor(place: UploadPlace, id: string, stop: AbortController) {
    this.#place = place;
    this.#id = id;
    this.#stop = stop;
  }

  /** Sends everything and returns the parts in order. */
  async send(source: PartSource): Promise<{ parts: CompletedPart[]; size: number }> {
    const { plan, budgets } = this.#place;
    const partSize = partSizeFor(source.size, plan);
    const pool = new PartPool(budgets.parts, partSize, plan.concurrency + 1);
    const filler = new Filler(source);
    const parts: CompletedPart[] = [];
    let size = 0;
    try {
      for (let number = 1; ; number++) {
        const buffer = await pool.take(this.#stop.signal);
        const used = await filler.fill(buffer);
        if (used === 0) break;
        if (number > plan.provider.maxParts) throw tooLarge(this.#place, partSize);
        size += used;
        this.#start(number, buffer.subarray(0, used), parts, () => pool.giveBack(buffer));
        if (used < partSize) break;
        while (this.#running.size >= plan.concurrency) await Promise.race(this.#running);
      }
      await Promise.all(this.#running);
      this.#stop.signal.throwIfAborted();
      return { parts: parts.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0)), size };
    } finally {
      await this.settled(); // buffers in flight are still in use
      pool.release();
    }
  }

  /** Resolves when nothing is in flight any more. */
  async settled(): Promise<void> {
    if (this.#running.size > 0 && !this.#stop.signal.aborted) this.#stop.abort(new Error('the upload has failed'));
    await Promise.all(this.#running);
  }

  /** Makes the parts an object and returns its tag. */
  async complete(parts: CompletedPart[], size: number, options: PutOptions): Promise<string> {
    const { session, conditions, bucket, key, plan } = this.#place;
    const { signal } = this.#stop;
    if (!plan.provider.conditionalComplete) await checkBeforehand(this.#place, options);
    const input = { Bucket: bucket, Key: key, UploadId: this.#id, MultipartUpload: { Parts: parts }, ...plan.encryption.access };
    let attempts = 0;
    return repeated(this.#place, signal, async () => {
      attempts += 1;
      try {
        const answer = await conditions.run(key, options, (condition) =>
          session.call({ operation: 'put', key, signal }, (client, http) =>
            client.send(new CompleteMultipartUploadCommand({ ...input, ...condition }), http),
          ),
        );
        const told = tagOf(answer.ETag);
        if (told !== undefined) return told;
        if (answer.Key === undefined && answer.Location === undefined) {
          throw session.unintelligible({ operation: 'put', key }, 'the end of an upload without a name');
        }
        // A RADOS Gateway leaves the ETag empty here.
        return await tagOfStored(this.#place, size, signal);
      } catch (error) {
        // The answer to an earlier attempt was lost, and it had done its work.
        if (attempts > 1 && isEnded(error) && (await isStored(this.#place, parts, size))) return expectedTag(parts) ?? '';
        throw error;
      }
    });
  }

  #start(number: number, bytes: Buffer, parts: CompletedPart[], giveBack: () => void): void {
    const sending = this.#sendPart(number, bytes)
      .then(
        (part) => void parts.push(part),
        (error: unknown) => this.#stop.abort(error),
      )
      .finally(() => {
        giveBack();
        this.#running.delete(sending);
      });
    this.#running.add(sending);
  }

  async #sendPart(number: number, bytes: Buffer): Promise<CompletedPart> {
    const { session, bucket, key, plan } = this.#place;
    const { signal } = this.#stop;
    const input = { Bucket: bucket, Key: key, UploadId: this.#id, PartNumber: number, Body: bytes, ContentLength: bytes.byteLength };
    const { ETag } = await repeated(this.#place, signal, () =>
      session.call({ operation: 'put', key, signal }, (client, http) =>
        client.send(new UploadPartCommand({ ...input, ...plan.encryption.access }), http),
      ),
    );
    if (ETag === undefined) throw session.unintelligible({ operation: 'put', key }, `part ${number} has no ETag`);
    return { PartNumber: number, ETag };
  }
}

/** Copies a source into buffers of any size. */
class Filler {
  readonly #source: PartSource;
  #left: Uint8Array;

  constructor(source: PartSource) {
    this.#source = source;
    this.#left = source.head;
  }

  /** Fills `buffer` as far as the source reaches and returns the number of bytes. */
  async fill(buffer: Buffer): Promise<number> {
    let used = 0;
    while (used < buffer.byteLength) {
      if (this.#left.byteLength === 0) {
        const { done, value } = await this.#source.chunks.next();
        if (done === true) break;
        this.#left = value;
      }
      const piece = this.#left.subarray(0, buffer.byteLength - used);
      buffer.set(piece, used);
      used += piece.byteLength;
      this.#left = this.#left.subarray(piece.byteLength);
    }
    return used;
  }
}

/** Repeats what may succeed later, a few times: one part that fails must not cost all the others. */
async function repeated<T>({ clock }: UploadPlace, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
  const backoff = new Backoff(PART_BACKOFF);
  for (;;) {
    try {
      return await run();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof LitestreamError) || error.disposition !== 'retry') throw error;
      const asked = error.details?.retryAfterMs;
      const delay = Math.max(backoff.next(), typeof asked === 'number' ? asked : 0);
      if (backoff.attempts >= PART_ATTEMPTS || isEnded(error)) throw error;
      await clock.sleep(delay, { signal });
    }
  }
}

/**
 * Where it is not known whether the service keeps a condition at the end of an upload: a look right before it. That is no guarantee, but it
 * finds every second writer that is not at it in the same moment.
 */
async function checkBeforehand(place: UploadPlace, { ifAbsent = false, ifMatch, signal }: PutOptions): Promise<void> {
  if (!ifAbsent && ifMatch === undefined) return;
  const tag = await statObject(place, { signal }).then(
    (info) => info.tag,
    (error: unknown) => {
      if (hasCode(error, 'OBJECT_NOT_FOUND')) return undefined;
      throw error;
    },
  );
  if (ifMatch === undefined ? tag === undefined : tag === ifMatch) return;
  throw new LitestreamError(
    'PRECONDITION_FAILED',
    `cannot write ${place.key}: ${ifMatch === undefined ? 'it exists' : 'it is another version'}`,
  );
}

const isEnded = (error: unknown): boolean => error instanceof LitestreamError && error.details?.provider === 'NoSuchUpload';

/** The tag of what has just been completed. */
async function tagOfStored(place: ObjectPlace, size: number, signal: AbortSignal): Promise<string> {
  const info = await statObject(place, { signal });
  if (info.size === size && info.tag !== undefined) return info.tag;
  throw place.session.unintelligible({ operation: 'put', key: place.key }, `${info.size} bytes stand where ${size} were put`);
}

/** Whether the object is the one these parts make, as far as its ETag tells. */
async function isStored(place: ObjectPlace, parts: readonly CompletedPart[], size: number): Promise<boolean> {
  try {
    const info = await statObject(place, {});
    return info.size === size && info.tag !== undefined && info.tag === expectedTag(parts);
  } catch {
    return false;
  }
}

/** The ETag of an object in parts as S3 makes it: the MD5 of the parts' MD5s, and their number. */
function expectedTag(parts: readonly CompletedPart[]): string | undefined {
  const sums = parts.map(({ ETag }) => tagOf(ETag) ?? '');
  if (!sums.every((sum) => /^[0-9a-f]{32}$/.test(sum))) return undefined;
  return `${createHash('md5')
    .update(Buffer.from(sums.join(''), 'hex'))
    .digest('hex')}-${parts.length}`;
}

const tooLarge = ({ key, plan }: UploadPlace, partSize: number): LitestreamError =>
  new LitestreamError('TOO_LARGE', `cannot put ${key}: it has more than ${plan.provider.maxParts} parts of ${partSize} bytes`, {
    hint: 'Set a larger part-size.',
  });

/** The same error, with the id of the parts that the service still keeps. */
const leftBehind = (error: LitestreamError, uploadID: string): LitestreamError =>
  new LitestreamError(error.code, error.message, {
    cause: error.cause,
    details: { ...error.details, uploadID },
    hint: `${error.hint ?? ''} The parts sent so far may still be stored (upload ${uploadID}): a life-cycle rule for incomplete uploads removes them.`.trim(),
  });
