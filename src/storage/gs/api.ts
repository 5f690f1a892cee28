/** Calls of the JSON API of Cloud Storage: addressed, authenticated, and with answers that are checked to be its own. */

import { inAFewWords } from '../remote/foreign-answer.ts';
import type { GCSStoreSpec } from '../spec.ts';
import { Credentials, type TokenClientOptions } from './credentials.ts';
import { type Doing, foreign, networkError, refusal, tokenError } from './errors.ts';
import { HTTPClient, type Incoming, type Outgoing, textOf } from './http.ts';

/** No page of a listing comes near. */
const JSON_BYTES = 64 * 1024 * 1024;

export interface Call extends Omit<Outgoing, 'url'> {
  readonly doing: Doing;
  /** Absolute, from `address`; or that of an upload's session, which is its own credential. */
  readonly url: string;
  readonly isSession?: boolean;
}

export class API {
  readonly #credentials: Credentials;
  readonly #http: HTTPClient;

  constructor(spec: GCSStoreSpec, clientOptions?: TokenClientOptions) {
    this.#credentials = new Credentials(spec, clientOptions);
    this.#http = new HTTPClient(this.#credentials.endpoint);
  }

  get endpoint(): string {
    return this.#credentials.endpoint;
  }

  /** The URL of a bucket's objects, or of one of them. */
  address(
    root: '/storage/v1' | '/upload/storage/v1',
    bucket: string,
    key: string | undefined,
    query: Readonly<Record<string, string | undefined>>,
  ): string {
    const path = `/b/${encodeURIComponent(bucket)}/o${key === undefined ? '' : `/${encodeURIComponent(key)}`}`;
    const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return `${this.endpoint}${root}${path}?${new URLSearchParams(given)}`;
  }

  /** Sends a call and gives its answer, whatever the status. Credentials that are not taken are looked for anew once. */
  async send(call: Call): Promise<Incoming> {
    const answer = await this.#once(call);
    if (answer.status !== 401 || call.isSession === true || !this.#credentials.renew()) return answer;
    answer.body.destroy();
    return this.#once(call);
  }

  /** Sends a call whose answer has to be a resource of this kind. */
  async resource(call: Call, kind: 'storage#objects' | 'storage#object'): Promise<Readonly<Record<string, unknown>>> {
    const answer = await this.send(call);
    if (answer.status !== 200) throw await refusal(answer, call.doing);
    return this.read(answer, call.doing, kind);
  }

  /** The resource in an answer. A page of somebody else, an empty body or half a body is an error. */
  async read(answer: Incoming, doing: Doing, kind: string): Promise<Readonly<Record<string, unknown>>> {
    const { text, isWhole } = await textOf(answer, JSON_BYTES).catch((error: unknown) => {
      throw networkError(error, doing);
    });
    const value = isWhole ? parseObject(text) : undefined;
    if (value !== undefined && value.kind === kind) return value;
    throw foreign(doing, `${answer.status} with ${inAFewWords(answer.headers['content-type'], text)}, not ${kind}`);
  }

  close(): void {
    this.#http.close();
  }

  async #once({ doing, isSession = false, headers = {}, signal, ...rest }: Call): Promise<Incoming> {
    const identity = isSession
      ? {}
      : await this.#credentials.headers(rest.url, signal).catch((error: unknown) => {
          signal?.throwIfAborted();
          throw tokenError(error, doing);
        });
    try {
      return await this.#http.send({ ...rest, headers: { 'user-agent': 'litestream', ...headers, ...identity }, signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw networkError(error, doing);
    }
  }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
