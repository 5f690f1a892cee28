/** A resumable upload: chunks in order, each sent on from where the service says it has arrived. */

import { LitestreamError } from '../../base/errors.ts';
import { sendPart } from '../remote/parts.ts';
import type { API } from './api.ts';
import { type Doing, foreign, refusal, sentence } from './errors.ts';
import type { Incoming } from './http.ts';

type Resource = Readonly<Record<string, unknown>>;

/** What the service has: so many bytes, or the whole object, or nothing any more, for which no request need be repeated. */
type Progress = { readonly received: number } | { readonly object: Resource } | { readonly lost: LitestreamError };

interface Chunk {
  /** Of its first byte in the object. */
  readonly offset: number;
  /** Bytes of the whole object, with the last chunk. */
  readonly total: number | undefined;
  /** base64 of the whole object, with the last chunk. */
  readonly md5: string | undefined;
}

/** How long a session is given to be told that it is over. */
const CANCEL_MS = 5_000;

export class Session {
  readonly #api: API;
  readonly #url: string;
  readonly #doing: Doing;

  constructor(api: API, url: string, doing: Doing) {
    this.#api = api;
    this.#url = url;
    this.#doing = doing;
  }

  /** Sends one chunk until it has arrived; the object's resource when it is complete. A request that failed is followed by asking what has arrived. */
  async send(bytes: Buffer, chunk: Chunk, signal: AbortSignal | undefined): Promise<Resource | undefined> {
    const end = chunk.offset + bytes.length;
    let at = chunk.offset;
    let isUnsure = false;
    for (;;) {
      const before = at;
      const progress = await sendPart(async () => {
        if (isUnsure) {
          const known = await this.#ask(chunk.total, signal);
          if (!('received' in known) || known.received >= end) return known;
          at = checkProgress(known.received, chunk.offset, end, this.#doing);
        }
        isUnsure = true;
        const answer = await this.#put(bytes.subarray(at - chunk.offset), { ...chunk, offset: at }, signal);
        isUnsure = false;
        return answer;
      }, signal);
      if ('lost' in progress) throw progress.lost;
      if ('object' in progress) return chunk.total === undefined ? fail(this.#doing, 'the upload ended before its end') : progress.object;
      at = checkProgress(progress.received, chunk.offset, end, this.#doing);
      if (at === end && chunk.total === undefined) return undefined;
      if (at <= before) fail(this.#doing, 'the upload does not get on');
    }
  }

  /** Tells the service to forget what it has; nobody waits for that, and it forgets by itself after a week. */
  cancel(): void {
    const signal = AbortSignal.timeout(CANCEL_MS);
    this.#api.send({ method: 'DELETE', url: this.#url, isSession: true, doing: this.#doing, signal }).then(
      ({ body }) => body.resume(),
      () => {},
    );
  }

  async #put(bytes: Buffer, { offset, total, md5 }: Chunk, signal: AbortSignal | undefined): Promise<Progress> {
    const range = bytes.length === 0 ? '*' : `${offset}-${offset + bytes.length - 1}`;
    const headers = {
      'content-range': `bytes ${range}/${total ?? '*'}`,
      ...(md5 === undefined ? {} : { 'x-goog-hash': `md5=${md5}` }),
    };
    return this.#progress(
      await this.#api.send({ method: 'PUT', url: this.#url, isSession: true, headers, body: [bytes], doing: this.#doing, signal }),
    );
  }

  #ask(total: number | undefined, signal: AbortSignal | undefined): Promise<Progress> {
    return this.#put(Buffer.alloc(0), { offset: 0, total, md5: undefined }, signal);
  }

  async #progress(answer: Incoming): Promise<Progress> {
    if (answer.status === 308) {
      answer.body.resume();
      const range = /^bytes=0-(\d+)$/.exec(answer.headers.range ?? '');
      return { received: range === null ? 0 : Number(range[1]) + 1 };
    }
    if (answer.status === 200 || answer.status === 201) return { object: await this.#api.read(answer, this.#doing, 'storage#object') };
    const error = await refusal(answer, this.#doing);
    if (answer.status !== 404 && answer.status !== 410) throw error;
    // The session is gone, not the object: the whole upload may succeed when it is begun anew.
    const { status, provider } = error.details ?? {};
    const lost = `${sentence(this.#doing)} (${status}: the service has dropped the upload; it is begun anew)`;
    return { lost: new LitestreamError('STORAGE_UNAVAILABLE', lost, { cause: error, details: { status, provider, operation: 'put' } }) };
  }
}

function checkProgress(received: number, start: number, end: number, doing: Doing): number {
  return received < start || received > end ? fail(doing, `the upload has ${received} bytes where ${start} to ${end} were sent`) : received;
}

function fail(doing: Doing, what: string): never {
  throw foreign(doing, what);
}
