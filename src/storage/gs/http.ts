/** Requests over Node's own HTTP client: whole bodies out, streams in, ended by a signal, failing without a trace outside the promise. */

import { Agent as HTTPAgent, type IncomingHttpHeaders, type IncomingMessage, request as requestHTTP } from 'node:http';
import { Agent as HTTPSAgent, request as requestHTTPS } from 'node:https';

export interface Outgoing {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** In this order. */
  readonly body?: readonly Uint8Array[];
  readonly signal?: AbortSignal | undefined;
}

export interface Incoming {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Has to be read to its end or destroyed. */
  readonly body: IncomingMessage;
}

/** Idle connections go after this, ms. */
const IDLE_MS = 60_000;

export class HTTPClient {
  readonly #agent: HTTPAgent;
  readonly #isTLS: boolean;

  /** @param endpoint whose scheme says whether TLS is spoken. Proxies are those of HTTPS_PROXY, HTTP_PROXY and NO_PROXY. */
  constructor(endpoint: string) {
    this.#isTLS = endpoint.startsWith('https:');
    const settings = { keepAlive: true, timeout: IDLE_MS, proxyEnv: process.env };
    this.#agent = this.#isTLS ? new HTTPSAgent(settings) : new HTTPAgent(settings);
  }

  /** Resolves with the head of the answer, whatever its status; redirects are not followed. */
  send({ method, url, headers = {}, body = [], signal }: Outgoing): Promise<Incoming> {
    const length = body.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const sized = method === 'GET' || method === 'DELETE' ? headers : { ...headers, 'content-length': String(length) };
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const request = (this.#isTLS ? requestHTTPS : requestHTTP)(url, { method, headers: sized, agent: this.#agent });
      const onAbort = () => {
        request.destroy();
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      // Stays for as long as the request: what comes after the answer is the reader's to see, in the body.
      request.on('error', reject);
      request.once('close', () => signal?.removeEventListener('abort', onAbort));
      request.once('response', (answer) => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: answer }));
      for (const bytes of body) request.write(bytes);
      request.end();
    });
  }

  /** Idle connections go; requests in flight fail. */
  close(): void {
    this.#agent.destroy();
  }
}

/** The text of an answer, or its first `limit` bytes, after which the rest is let go. */
export async function textOf({ body }: Incoming, limit: number): Promise<{ readonly text: string; readonly isWhole: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > limit) return { text: Buffer.concat(chunks).toString('utf8', 0, limit), isWhole: false };
  }
  return { text: Buffer.concat(chunks).toString('utf8'), isWhole: true };
}
