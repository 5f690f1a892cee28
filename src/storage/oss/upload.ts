/** Writing an object: one request for a small one, equal parts for a large one. */

import { LitestreamError } from '../../base/errors.ts';
import { LinkedAbort } from '../../base/linked-abort.ts';
import { inAFewWords } from '../remote/foreign-answer.ts';
import { type Part, partsOf, sendPart } from '../remote/parts.ts';
import type { OSSClient } from './client.ts';
import { notOSS } from './errors.ts';
import { tagOf } from './metadata.ts';
import { childText, escapeXML, parseXML } from './xml.ts';

/** Bytes; the service takes parts from 100 KB to 5 GB. */
const PART_BYTES = 5 * 1024 * 1024;
const SMALLEST_PART = 100 * 1024;
const PARTS_AT_ONCE = 3;
/** The service takes 10,000; some are left for a source that grew. */
const MOST_PARTS = 9_000;
/** Parts of one size where the size of the whole is not known: after so many each is twice as large. */
const DOUBLING = 2_000;
/** Longest wait for the removal of an upload that failed, ms. */
const ABORT_MS = 10_000;

export interface Upload {
  readonly key: string;
  /** Opens the source, which the signal ends. */
  readonly chunks: (signal: AbortSignal) => AsyncIterable<Uint8Array>;
  /** Bytes, when known beforehand. */
  readonly size: number | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly partBytes: number | undefined;
  readonly concurrency: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Takes what has to be done after a failure, so that nobody waits for it. */
  readonly inBackground: (work: () => Promise<void>) => void;
}

export interface Uploaded {
  readonly size: number;
  readonly tag: string;
}

const CONTENT_TYPE = { 'content-type': 'application/octet-stream' };

export async function upload(client: OSSClient, job: Upload): Promise<Uploaded> {
  // A part that fails ends the source, too, which may be waiting for something.
  const link = new LinkedAbort(job.signal);
  const parts = partsOf(job.chunks(link.signal), (index) => partBytes(index, job));
  try {
    const { value: first } = await parts.next();
    if (first === undefined) throw new LitestreamError('INTERNAL', 'a body has at least one part');
    return first.last ? await inOneRequest(client, job, first.bytes) : await inParts(client, job, link, first, parts);
  } finally {
    link.release();
    await parts.return();
  }
}

/** Equal parts where the size is known. */
function partBytes(index: number, { size, partBytes: configured = PART_BYTES }: Upload): number {
  const least = Math.max(SMALLEST_PART, configured);
  return size === undefined ? least * 2 ** Math.floor(index / DOUBLING) : Math.max(least, Math.ceil(size / MOST_PARTS));
}

async function inOneRequest(client: OSSClient, { key, headers, signal }: Upload, bytes: Buffer): Promise<Uploaded> {
  const { headers: answered } = await client.finish({
    operation: 'write',
    method: 'PUT',
    key,
    headers: { ...CONTENT_TYPE, ...headers },
    body: bytes,
    signal,
  });
  return { size: bytes.length, tag: demandTag(client, key, answered.etag) };
}

async function inParts(client: OSSClient, job: Upload, link: LinkedAbort, first: Part, rest: AsyncIterable<Part>): Promise<Uploaded> {
  const { key, headers, inBackground } = job;
  const id = await begin(client, job);
  const sending = new Sending(client, key, id, link);
  try {
    sending.send(first);
    for await (const part of rest) {
      await sending.room(Math.max(1, job.concurrency ?? PARTS_AT_ONCE));
      sending.send(part);
    }
    await sending.room(1);
    return { size: sending.size, tag: await complete(client, { key, id, headers, tags: sending.tags, signal: link.signal }) };
  } catch (error) {
    link.abort(error);
    inBackground(async () => {
      await sending.ended();
      await client.finish({
        operation: 'write',
        method: 'DELETE',
        key,
        query: { uploadId: id },
        signal: AbortSignal.timeout(ABORT_MS),
        accept: [404],
      });
    });
    throw error;
  }
}

/** The parts under way of one upload. */
class Sending {
  readonly tags: string[] = [];
  size = 0;
  readonly #client: OSSClient;
  readonly #key: string;
  readonly #id: string;
  readonly #link: LinkedAbort;
  readonly #inFlight = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(client: OSSClient, key: string, id: string, link: LinkedAbort) {
    this.#client = client;
    this.#key = key;
    this.#id = id;
    this.#link = link;
  }

  send({ bytes, index }: Part): void {
    this.size += bytes.length;
    const query = { partNumber: String(index + 1), uploadId: this.#id };
    const { signal } = this.#link;
    const once = () =>
      this.#client.finish({ operation: 'write', method: 'PUT', key: this.#key, query, headers: CONTENT_TYPE, body: bytes, signal });
    const work: Promise<void> = sendPart(once, signal)
      .then(({ headers }) => {
        this.tags[index] = demandTag(this.#client, this.#key, headers.etag);
      })
      .catch((error: unknown) => {
        this.#failure ??= { error };
        this.#link.abort(error);
      })
      .finally(() => this.#inFlight.delete(work));
    this.#inFlight.add(work);
  }

  /** Waits until fewer than `limit` parts are under way; the first failure ends it. */
  async room(limit: number): Promise<void> {
    while (this.#inFlight.size >= limit) await Promise.race(this.#inFlight);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  async ended(): Promise<void> {
    await Promise.all(this.#inFlight);
  }
}

async function begin(client: OSSClient, { key, headers, signal }: Upload): Promise<string> {
  const text = await client.text({
    operation: 'write',
    method: 'POST',
    key,
    query: { uploads: '' },
    headers: { ...CONTENT_TYPE, ...headers },
    signal,
  });
  const root = parseXML(text);
  const id = root?.name === 'InitiateMultipartUploadResult' ? childText(root, 'UploadId') : undefined;
  if (!id) throw notOSS(client.attempt({ operation: 'write', key }), `answered with ${inAFewWords('no upload', text)}`);
  return id;
}

interface Completion {
  readonly key: string;
  readonly id: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly signal: AbortSignal;
}

/** Not repeated here: whether a lost answer was a success only the caller can find out. */
async function complete(client: OSSClient, { key, id, headers, tags, signal }: Completion): Promise<string> {
  const parts = tags.map((tag, i) => `<Part><PartNumber>${i + 1}</PartNumber><ETag>${escapeXML(`"${tag}"`)}</ETag></Part>`);
  const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`);
  // Only the condition counts here, everything else was said at the beginning.
  const condition = Object.entries(headers).filter(([name]) => name === 'x-oss-forbid-overwrite');
  const text = await client.text({
    operation: 'write',
    method: 'POST',
    key,
    query: { uploadId: id },
    headers: { ...Object.fromEntries(condition), 'content-type': 'application/xml' },
    body,
    signal,
  });
  const root = parseXML(text);
  const tag = root?.name === 'CompleteMultipartUploadResult' ? tagOf(childText(root, 'ETag')) : undefined;
  if (tag === undefined)
    throw notOSS(client.attempt({ operation: 'write', key }), `answered with ${inAFewWords('no completed upload', text)}`);
  return tag;
}

/** An answer without an ETag is not that of a stored object. */
function demandTag(client: OSSClient, key: string, etag: string | undefined): string {
  const tag = tagOf(etag);
  if (tag === undefined) throw notOSS(client.attempt({ operation: 'write', key }), 'answered without an ETag');
  return tag;
}
