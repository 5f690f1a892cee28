/** Requests over HTTP with bounds on silence instead of on duration, and bodies that end with an error when the connection does. */

import { type ClientRequest, Agent as HTTPAgent, type IncomingHttpHeaders, type IncomingMessage, request as requestHTTP } from 'node:http';
import { Agent as HTTPSAgent, request as requestHTTPS } from 'node:https';
import { abortable, orAbort } from '../../base/abortable.ts';
import { systemCode } from '../../base/system-error.ts';

export interface HTTPLimits {
  /** Until a connection stands, ms. */
  readonly connectMs: number;
  /** Longest silence while bytes are sent or received, ms. */
  readonly idleMs: number;
  /** Longest wait for the answer to a complete request, ms. */
  readonly answerMs: number;
}

export const HTTP_LIMITS: HTTPLimits = { connectMs: 10_000, idleMs: 60_000, answerMs: 120_000 };

/** What is sent after the headers: `size` bytes. */
export interface SentBody {
  readonly size: number;
  open(): AsyncIterable<Uint8Array>;
}

export interface HTTPRequest {
  readonly method: string;
  /** As in the request line, encoded. */
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: SentBody | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface HTTPResponse {
  readonly status: number;
  /** The request was sent twice: the first one may have been carried out. */
  readonly isRepeated: boolean;
  readonly headers: IncomingHttpHeaders;
  readonly challenges: readonly string[];
  /** Once. Fails when the connection ends early; leaving the loop releases it. */
  body(): AsyncGenerator<Uint8Array, void, undefined>;
  /** Releases the connection without reading. */
  discard(): void;
}

/** The peer was silent for too long. */
export class SilentPeer extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SilentPeer';
  }
}

/** Bytes handed over at once: a slow line has to take them within the limit of silence. */
const PIECE_BYTES = 64 * 1024;

/** Rest of an answer that is read rather than cut off, bytes, and how long it may take, ms. */
const [SMALL_BYTES, RELEASE_MS] = [16 * 1024, 5_000];

/** What a connection says that the other side has closed. */
const CLOSED: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

const noop = (): void => {};

export class HTTPConnections {
  readonly #origin: URL;
  readonly #agent: HTTPAgent;
  readonly #freshAgent: HTTPAgent;
  readonly #limits: HTTPLimits;
  #isClosed = false;

  /** @param origin with http: or https:; its path is ignored. */
  constructor(origin: URL, limits: HTTPLimits) {
    this.#origin = origin;
    this.#limits = limits;
    // Nobody counts connections here: an opened object that is not read yet holds one.
    const options = { keepAlive: true, noDelay: true, proxyEnv: process.env };
    const Agent = origin.protocol === 'https:' ? HTTPSAgent : HTTPAgent;
    this.#agent = new Agent(options);
    this.#freshAgent = new Agent({ ...options, keepAlive: false });
  }

  /**
   * Sends a request and resolves with its answer, which may come before the body was sent as a whole. Rejects with errors of the system,
   * SilentPeer, errors of the body's source, and `signal.reason`. A connection that the server closed while it was idle is found out only by
   * using it: then the request is sent once more, over a new one.
   */
  async send(asked: HTTPRequest): Promise<HTTPResponse> {
    asked.signal?.throwIfAborted();
    const request = this.#start(asked, this.#agent);
    try {
      return await this.#exchange(request, asked, false);
    } catch (error) {
      if (this.#isClosed || !request.reusedSocket || !CLOSED.has(systemCode(error) ?? '')) throw error;
    }
    return this.#exchange(this.#start(asked, this.#freshAgent), asked, true);
  }

  /** Ends all connections, also those in use. */
  close(): void {
    this.#isClosed = true;
    this.#agent.destroy();
    this.#freshAgent.destroy();
  }

  async #exchange(request: ClientRequest, asked: HTTPRequest, isRepeated: boolean): Promise<HTTPResponse> {
    const answer = answerOf(request);
    const onAbort = () => request.destroy();
    asked.signal?.addEventListener('abort', onAbort, { once: true });
    try {
      const early = await orAbort(this.#sendBody(request, asked, answer), asked.signal);
      const response = early ?? (await orAbort(within(answer, this.#limits.answerMs, 'the answer'), asked.signal));
      return this.#response(request, response, { signal: asked.signal, isEarly: early !== undefined, isRepeated });
    } catch (error) {
      request.destroy();
      throw error;
    } finally {
      asked.signal?.removeEventListener('abort', onAbort);
    }
  }

  #start({ method, target, headers, body }: HTTPRequest, agent: HTTPAgent): ClientRequest {
    const make = this.#origin.protocol === 'https:' ? requestHTTPS : requestHTTP;
    const length = body === undefined ? {} : { 'Content-Length': String(body.size) };
    const request = make(this.#origin, {
      agent,
      method,
      path: target,
      headers: { 'Accept-Encoding': 'identity', ...headers, ...length },
    });
    // Stays: a request may report after nobody waits for it any more.
    request.on('error', noop);
    limitConnecting(request, this.#limits.connectMs);
    return request;
  }

  /** The answer, if one comes before everything is sent. */
  async #sendBody(
    request: ClientRequest,
    { body, signal }: HTTPRequest,
    answer: Promise<IncomingMessage>,
  ): Promise<IncomingMessage | undefined> {
    if (body === undefined || body.size === 0) {
      // The source is read all the same: it may have more than it said.
      if (body !== undefined) for await (const chunk of abortable(body.open(), signal)) request.write(chunk);
      request.end();
      return undefined;
    }
    let early: IncomingMessage | undefined;
    answer.then((response) => {
      early = response;
    }, noop);
    for await (const chunk of abortable(body.open(), signal)) {
      for (let at = 0; at < chunk.byteLength; at += PIECE_BYTES) {
        const isTaken = request.write(chunk.subarray(at, at + PIECE_BYTES));
        if (!isTaken) await Promise.race([within(drained(request), this.#limits.idleMs, 'room for more bytes'), answer]);
        if (early !== undefined) return early;
      }
    }
    request.end();
    return undefined;
  }

  #response(request: ClientRequest, response: IncomingMessage, { signal, isEarly, isRepeated }: Circumstances): HTTPResponse {
    const { idleMs } = this.#limits;
    response.on('error', noop);
    const discard = () => release(request, response, isEarly);
    return {
      status: response.statusCode ?? 0,
      isRepeated,
      headers: response.headers,
      challenges: response.headersDistinct['www-authenticate'] ?? [],
      body: () => bodyOf(response, { idleMs, signal, discard, isEarly }),
      discard,
    };
  }
}

/** Little that is left of an answer is read, so that its connection can be used again; much is cut off. */
function release(request: ClientRequest, response: IncomingMessage, isEarly: boolean): void {
  const length = Number(response.headers['content-length'] ?? (response.statusCode === 204 ? 0 : Number.NaN));
  if (isEarly || !(response.complete || length <= SMALL_BYTES)) {
    request.destroy();
    return;
  }
  const timer = setTimeout(() => request.destroy(), RELEASE_MS).unref();
  response.once('close', () => clearTimeout(timer));
  response.resume();
}

interface Circumstances {
  readonly signal: AbortSignal | undefined;
  readonly isEarly: boolean;
  readonly isRepeated: boolean;
}

interface Receiving {
  readonly idleMs: number;
  readonly signal: AbortSignal | undefined;
  readonly discard: () => void;
  /** The request was not sent as a whole: its connection is of no use any more. */
  readonly isEarly: boolean;
}

async function* bodyOf(
  response: IncomingMessage,
  { idleMs, signal, discard, isEarly }: Receiving,
): AsyncGenerator<Uint8Array, void, undefined> {
  const chunks = (response as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  let isWhole = false;
  try {
    for (;;) {
      const next = await orAbort(within(chunks.next(), idleMs, 'the next bytes'), signal);
      if (next.done === true) break;
      yield next.value;
      signal?.throwIfAborted();
    }
    isWhole = response.complete && !isEarly;
  } finally {
    if (!isWhole) discard();
  }
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
    request.once('close', () => reject(new Error('the connection was closed without an answer')));
  });
  answer.catch(noop);
  return answer;
}

function limitConnecting(request: ClientRequest, ms: number): void {
  const timer = setTimeout(() => request.destroy(new SilentPeer(`no connection within ${ms / 1000} s`)), ms);
  const stop = () => clearTimeout(timer);
  request.once('socket', (socket) => {
    if (request.reusedSocket || !socket.connecting) stop();
    else socket.once('encrypted' in socket ? 'secureConnect' : 'connect', stop);
  });
  request.once('close', stop);
}

const drained = (request: ClientRequest): Promise<void> =>
  new Promise((resolve) => {
    request.once('drain', resolve);
  });

/** `work`, or SilentPeer when it takes longer. */
async function within<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SilentPeer(`no sign of ${what} for ${ms / 1000} s`)), ms);
  });
  work.catch(noop);
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}
