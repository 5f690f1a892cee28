/** Requests to one bucket of OSS: signed, bounded, answered by OSS and nobody else. */

import { createHash } from 'node:crypto';
import { Agent as HTTPAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HTTPSAgent, request as httpsRequest } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { LitestreamError } from '../../base/errors.ts';
import { clockSkewMs } from '../remote/answer-times.ts';
import { inAFewWords } from '../remote/foreign-answer.ts';
import type { OSSStoreSpec } from '../spec.ts';
import { type Endpoint, endpointOf } from './endpoint.ts';
import { type Attempt, connectionError, notOSS, type Operation, type Refusal, reasonOf, refusalError } from './errors.ts';
import { type Credentials, encodePath, queryText, signedHeaders } from './sign.ts';

/** Longest wait for a connection, ms. */
const CONNECT_MS = 10_000;
/** Longest silence of a connection before the head of an answer has come, ms. Long bodies are watched by whoever reads them. */
const SILENCE_MS = 60_000;
const SOCKETS = 256;
/** Errors and small documents; longer ones are cut. */
const LARGEST_REFUSAL = 64 * 1024;

export interface Call {
  readonly operation: Operation;
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  /** undefined for the bucket itself. */
  readonly key?: string | undefined;
  readonly query?: Readonly<Record<string, string>>;
  /** Names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly signal?: AbortSignal | undefined;
  /** Statuses besides 2xx that are handed out as answers. */
  readonly accept?: readonly number[];
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** To be read, or destroyed. */
  readonly body: IncomingMessage;
}

/**
 * Node's own requests instead of fetch: URLs of the web cannot name keys such as `./0000/x`, which the original writes, because they resolve
 * them. A clock that is wrong is corrected once by the answer that says so.
 */
export class OSSClient {
  readonly bucket: string;
  readonly endpoint: Endpoint;
  readonly #credentials: Credentials | undefined;
  readonly #agent: HTTPAgent;
  /** How far the clock of the service is ahead, ms. */
  #skewMs = 0;

  constructor(spec: OSSStoreSpec) {
    this.bucket = spec.bucket;
    this.endpoint = endpointOf(spec);
    const { accessKeyID, accessKeySecret, securityToken } = spec.credentials ?? {};
    if (accessKeyID && accessKeySecret) this.#credentials = { accessKeyID, accessKeySecret, securityToken };
    this.#agent = new (this.endpoint.secure ? HTTPSAgent : HTTPAgent)({ keepAlive: true, maxSockets: SOCKETS, proxyEnv: process.env });
  }

  /** The answer of a success or of an accepted status. Everything else is an error of ours, or the signal's reason. */
  async call(call: Call): Promise<Answer> {
    const answer = await this.#send(call);
    if (isFine(answer.status, call)) return this.#checked(answer, call);
    const refusal = await this.#refusal(answer, call);
    if (reasonOf(refusal).code !== 'RequestTimeTooSkewed') throw refusalError(refusal, this.attempt(call));
    this.#skewMs = clockSkewMs(refusal.headers.date) ?? this.#skewMs;
    const second = await this.#send(call);
    if (isFine(second.status, call)) return this.#checked(second, call);
    throw refusalError(await this.#refusal(second, call), this.attempt(call));
  }

  /** An answer without its body. */
  async finish(call: Call): Promise<Answer> {
    const answer = await this.call(call);
    answer.body.resume();
    return answer;
  }

  /** The text of a small answer. */
  async text(call: Call): Promise<string> {
    const { body } = await this.call(call);
    return this.#read(body, call, Number.POSITIVE_INFINITY);
  }

  attempt({ operation, key }: Pick<Call, 'operation' | 'key'>): Attempt {
    return { operation, key, bucket: this.bucket, host: this.endpoint.authority, region: this.endpoint.region };
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Whatever stands between may answer 200 as well: OSS numbers its answers. */
  #checked(answer: Answer, call: Call): Answer {
    if (answer.headers['x-oss-request-id'] !== undefined) return answer;
    answer.body.destroy();
    throw notOSS(this.attempt(call), `answered ${answer.status} with ${inAFewWords(answer.headers['content-type'], '')}`);
  }

  async #refusal({ status, headers, body }: Answer, call: Call): Promise<Refusal> {
    return { status, headers, body: await this.#read(body, call, LARGEST_REFUSAL) };
  }

  async #read(body: IncomingMessage, call: Call, limit: number): Promise<string> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        size += chunk.length;
        if (size >= limit) break;
      }
    } catch (error) {
      call.signal?.throwIfAborted();
      throw connectionError(error, this.attempt(call));
    }
    return Buffer.concat(chunks).toString('utf8');
  }

  #send(call: Call): Promise<Answer> {
    const { method, key, query = {}, body, signal } = call;
    signal?.throwIfAborted();
    const headers = this.#headers(call);
    const { secure, host, port, authority, pathPrefix } = this.endpoint;
    const search = queryText(query);
    const path = `${pathPrefix}${key === undefined ? '' : encodePath(key)}${search === '' ? '' : `?${search}`}`;
    const options = { method, host, port, path, headers: { host: authority, ...headers }, agent: this.#agent, signal };
    return new Promise<Answer>((resolve, reject) => {
      const request = secure ? httpsRequest(isIP(host) === 0 ? { ...options, servername: host } : options) : httpRequest(options);
      const fail = (error: unknown) => reject(signal?.aborted === true ? signal.reason : connectionError(error, this.attempt(call)));
      const expire = (what: string) => request.destroy(Object.assign(new Error(what), { code: 'ETIMEDOUT' }));
      request.setTimeout(SILENCE_MS, () => expire('no answer in time'));
      request.on('socket', (socket) => limitConnecting(socket, () => expire('no connection in time')));
      request.on('error', fail);
      request.on('response', (response) => {
        request.setTimeout(0);
        // Whoever reads hears of errors by reading; when nobody does, they still need a listener.
        response.on('error', () => {});
        resolve({ status: response.statusCode ?? 0, headers: response.headers as Answer['headers'], body: response });
      });
      request.end(body);
    });
  }

  #headers({ method, key, query = {}, headers = {}, body }: Call): Record<string, string> {
    if (this.#credentials === undefined) {
      throw new LitestreamError('CREDENTIALS_INVALID', `no credentials for OSS bucket ${this.bucket} are given`, {
        hint: 'Set access-key-id and secret-access-key, or OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET (and OSS_SESSION_TOKEN).',
      });
    }
    const content: Record<string, string> =
      body === undefined
        ? {}
        : { 'content-length': String(body.byteLength), 'content-md5': createHash('md5').update(body).digest('base64') };
    const request = { method, bucket: this.bucket, key, query, headers: { ...headers, ...content } };
    return signedHeaders(request, { credentials: this.#credentials, region: this.endpoint.region, now: Date.now() + this.#skewMs });
  }
}

function limitConnecting(socket: Socket, expire: () => void): void {
  if (!socket.connecting) return;
  const timer = setTimeout(expire, CONNECT_MS);
  for (const event of ['connect', 'error', 'close']) socket.once(event, () => clearTimeout(timer));
}

const isFine = (status: number, { accept = [] }: Call): boolean => (status >= 200 && status < 300) || accept.includes(status);
