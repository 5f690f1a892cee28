/** HTTP for the SDK over Node's own agents, with limits that fit storage: on connecting, and on silence while somebody waits. */

import { Agent as HTTPAgent, type IncomingMessage, type OutgoingHttpHeaders, request as requestHTTP } from 'node:http';
import { Agent as HTTPSAgent, request as requestHTTPS } from 'node:https';
import { LitestreamError } from '../../base/errors.ts';

/** A signed request as the SDK hands it over. */
export interface WireRequest {
  readonly protocol: string;
  readonly hostname: string;
  readonly port?: number;
  readonly method: string;
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[] | null>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface WireResponse {
  readonly statusCode: number;
  readonly reason?: string;
  readonly headers: Record<string, string>;
  readonly body: IncomingMessage;
}

export interface WireOptions {
  readonly abortSignal?: AbortSignal;
  /** A successful answer is read by a consumer that may pause, which watches for stalls itself. */
  readonly streaming?: boolean;
}

export interface HandlerSettings {
  /** Certificates are not checked. */
  readonly skipVerify?: boolean;
  /** Where HTTPS_PROXY, HTTP_PROXY and NO_PROXY stand. */
  readonly env?: NodeJS.ProcessEnv;
  /** ms until there is a connection, TLS included. */
  readonly connectMs?: number;
  /** ms without a byte in either direction while an answer is awaited. */
  readonly idleMs?: number;
}

const CONNECT_MS = 10_000;
const IDLE_MS = 60_000;
/** Far above what the limits of the wrappers let through: a merge of many files must not wait for a socket that it holds itself. */
const MAX_SOCKETS = 256;

/** An error of the connection, with a code like those of the system. */
class WireError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.name = 'WireError';
    this.code = code;
  }
}

export class HTTPHandler {
  readonly metadata = { handlerProtocol: 'http/1.1' };
  readonly #agents: { readonly http: HTTPAgent; readonly https: HTTPSAgent };
  readonly #connectMs: number;
  readonly #idleMs: number;

  constructor({ skipVerify = false, env = process.env, connectMs = CONNECT_MS, idleMs = IDLE_MS }: HandlerSettings = {}) {
    const common = { keepAlive: true, keepAliveMsecs: 30_000, maxSockets: MAX_SOCKETS, proxyEnv: env };
    this.#agents = withProxyChecked(() => ({
      http: new HTTPAgent(common),
      https: new HTTPSAgent({ ...common, rejectUnauthorized: !skipVerify }),
    }));
    this.#connectMs = connectMs;
    this.#idleMs = idleMs;
  }

  /** Sends one request. Resolves when the headers of the answer are there; rejects with errors of the connection, or with `abortSignal.reason`. */
  handle(request: WireRequest, { abortSignal, streaming = false }: WireOptions = {}): Promise<{ response: WireResponse }> {
    return new Promise((resolve, reject) => {
      if (abortSignal?.aborted === true) return reject(abortSignal.reason);
      const { protocol, hostname, port, method, headers } = request;
      const secure = protocol === 'https:';
      const options = {
        host: hostname.replace(/^\[(.*)\]$/, '$1'),
        port,
        method,
        path: pathOf(request),
        headers: headers as OutgoingHttpHeaders,
        // Lets go of a tunnel through a proxy that never comes about; a moment later than what tells the caller.
        timeout: this.#connectMs + 100,
      };
      const sent = secure ? requestHTTPS({ ...options, agent: this.#agents.https }) : requestHTTP({ ...options, agent: this.#agents.http });
      const onAbort = () => {
        reject(abortSignal?.reason);
        sent.destroy();
      };
      abortSignal?.addEventListener('abort', onAbort, { once: true });
      // Rejected here, too: a request that has no socket yet does not tell that it was destroyed.
      const fail = (message: string) => {
        const error = new WireError('ETIMEDOUT', message);
        reject(error);
        sent.destroy(error);
      };
      const connecting = setTimeout(() => fail(`no connection within ${this.#connectMs / 1000} s`), this.#connectMs);
      sent.on('socket', (socket) => {
        if (!socket.connecting) return clearTimeout(connecting);
        socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(connecting));
      });
      sent.setTimeout(this.#idleMs, () => fail(`silent for ${this.#idleMs / 1000} s`));
      // Stays for good: a connection may still break when the answer has been read.
      sent.on('error', reject);
      sent.on('close', () => {
        clearTimeout(connecting);
        abortSignal?.removeEventListener('abort', onAbort);
      });
      sent.on('response', (answer) => {
        clearTimeout(connecting);
        answer.on('error', () => {});
        const status = answer.statusCode ?? 0;
        if (streaming && status >= 200 && status < 300) sent.setTimeout(0);
        resolve({ response: responseOf(answer, status) });
      });
      const { body } = request;
      if (body === undefined || (body as Uint8Array).length === 0) sent.end();
      else sent.end(body);
    });
  }

  /** Closes every connection. */
  destroy(): void {
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  updateHttpClientConfig(): void {}

  httpHandlerConfigs(): Record<string, never> {
    return {};
  }
}

function withProxyChecked<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new LitestreamError('CONFIG_INVALID', 'cannot use the proxy of the environment', {
      cause: error,
      hint: 'Check HTTPS_PROXY and HTTP_PROXY: they are URLs such as http://proxy.example.com:3128.',
    });
  }
}

function responseOf(answer: IncomingMessage, statusCode: number): WireResponse {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(',') : value;
  }
  return { statusCode, headers, body: answer, ...(answer.statusMessage === undefined ? {} : { reason: answer.statusMessage }) };
}

/** Path and query exactly as they were signed: no URL object may touch them, which would take `./` and `//` out of keys. */
function pathOf({ path, query = {} }: WireRequest): string {
  const pairs: string[] = [];
  for (const name of Object.keys(query).sort()) {
    const value = query[name];
    const values = value === null || value === undefined ? [value] : typeof value === 'string' ? [value] : value;
    for (const one of values) pairs.push(one === null || one === undefined ? escaped(name) : `${escaped(name)}=${escaped(one)}`);
  }
  return pairs.length === 0 ? path : `${path}?${pairs.join('&')}`;
}

const escaped = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
