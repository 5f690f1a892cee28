/** Serves the verbs over the daemon's private socket (decision 18). */

import { randomBytes } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { userInfo } from 'node:os';
import { type ErrorData, errorToData, LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { redactErrorData } from '../base/redact.ts';
import { systemCode } from '../base/system-error.ts';
import type { Control, VerbName } from '../control/control.ts';
import type { ConfirmAnswer, ConfirmQuestion } from '../control/verb.ts';
import { callerFor, type SocketCallerRules } from './socket-caller.ts';
import {
  ANSWER_PREFIX,
  answerRequest,
  CALL_PREFIX,
  callRequest,
  LINES,
  MAX_BODY_BYTES,
  PING_PATH,
  type Ping,
  type ServerLine,
} from './socket-protocol.ts';

export interface SocketServerOptions {
  /** From `makeSocketPath`. */
  readonly path: string;
  readonly control: Control;
  readonly version: string;
  /** Metadata directories of its databases, by which it is found while it owns none of them yet. */
  readonly directories?: readonly string[];
  readonly log: Logger;
  readonly rules: Omit<SocketCallerRules, 'user'> & { readonly user?: string };
}

export interface SocketServer {
  readonly path: string;
  /** Aborts running calls, ends every connection, removes the socket. */
  close(): Promise<void>;
}

/** Listens; resolves when the socket is there with mode 0600. ADDRESS_IN_USE or ACCESS_DENIED otherwise. */
export async function serveSocket(options: SocketServerOptions): Promise<SocketServer> {
  const calls = new Calls(options);
  const server = createServer((request, response) => void calls.handle(request, response));
  await listen(server, options.path);
  chmodSync(options.path, 0o600);
  return { path: options.path, close: () => close(server, calls, options.path) };
}

class Calls {
  readonly #options: SocketServerOptions;
  readonly #rules: SocketCallerRules;
  readonly #running = new Set<AbortController>();
  readonly #questions = new Map<string, (answer: ConfirmAnswer) => void>();
  #closing: LitestreamError | undefined;

  constructor(options: SocketServerOptions) {
    this.#options = options;
    this.#rules = { ...options.rules, user: options.rules.user ?? userName() };
  }

  abort(): void {
    this.#closing = new LitestreamError('SHUTTING_DOWN', 'the daemon is shutting down');
    for (const call of this.#running) call.abort(this.#closing);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      await this.#route(request, response);
    } catch (error) {
      this.#refuse(response, error);
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    if (request.method === 'GET' && path === PING_PATH)
      return answerJSON(response, {
        version: this.#options.version,
        pid: process.pid,
        directories: this.#options.directories ?? [],
      } satisfies Ping);
    if (request.method === 'POST' && path.startsWith(CALL_PREFIX)) return this.#call(path.slice(CALL_PREFIX.length), request, response);
    if (request.method === 'POST' && path.startsWith(ANSWER_PREFIX))
      return this.#answer(path.slice(ANSWER_PREFIX.length), request, response);
    throw new LitestreamError('USAGE', `${request.method ?? ''} ${path.slice(0, 80)} is nothing this socket serves`);
  }

  async #call(verb: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parsed = callRequest.safeParse(await readJSON(request));
    if (!parsed.success) throw new LitestreamError('USAGE', `the request is not understood: ${parsed.error.issues[0]?.message ?? ''}`);
    const { input, caller, token, confirms, session } = parsed.data;
    const abort = new AbortController();
    if (this.#closing) abort.abort(this.#closing);
    const lines = new Lines(response);
    const onClose = () => abort.abort(new LitestreamError('CANCELLED', 'the client went away'));
    response.once('close', onClose);
    this.#running.add(abort);
    try {
      const value = await this.#options.control.call(verb as VerbName, input as never, {
        caller: callerFor(caller, token, this.#rules),
        signal: abort.signal,
        progress: (progress) => lines.offer({ type: 'progress', progress }),
        ...(confirms ? { confirm: (question: ConfirmQuestion) => this.#ask(question, lines, abort.signal) } : {}),
        ...(session === undefined ? {} : { session: withoutUndefined(session) }),
      });
      lines.end({ type: 'result', value });
    } catch (error) {
      lines.end({ type: 'error', error: this.#toData(error, abort.signal) });
    } finally {
      this.#running.delete(abort);
      response.off('close', onClose);
    }
  }

  async #ask(question: ConfirmQuestion, lines: Lines, signal: AbortSignal): Promise<ConfirmAnswer> {
    const id = randomBytes(16).toString('base64url');
    const { promise, resolve } = Promise.withResolvers<ConfirmAnswer>();
    const onAbort = () => resolve('dismissed');
    signal.addEventListener('abort', onAbort, { once: true });
    this.#questions.set(id, resolve);
    try {
      lines.write({ type: 'ask', id, question });
      return await promise;
    } finally {
      this.#questions.delete(id);
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #answer(id: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parsed = answerRequest.safeParse(await readJSON(request));
    if (!parsed.success) throw new LitestreamError('USAGE', 'the answer is not understood');
    // An answer that comes too late has nothing left to decide.
    this.#questions.get(id)?.(parsed.data.answer);
    answerJSON(response, {});
  }

  #refuse(response: ServerResponse, error: unknown): void {
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    new Lines(response, statusOf(error)).end({ type: 'error', error: this.#toData(error) });
  }

  #toData(error: unknown, signal?: AbortSignal): ErrorData {
    const data = errorToData(error instanceof Error && error.name === 'AbortError' && signal?.aborted ? signal.reason : error);
    if (data.code === 'INTERNAL')
      this.#options.log.log('error', 'a call over the control socket failed', { error: data.message, cause: data.cause });
    return redactErrorData(data);
  }
}

/** Writes the lines of one answer. */
class Lines {
  readonly #response: ServerResponse;
  #ended = false;

  constructor(response: ServerResponse, status = 200) {
    this.#response = response;
    response.writeHead(status, { 'content-type': LINES, 'cache-control': 'no-store' });
  }

  write(line: ServerLine): void {
    if (!this.#ended && !this.#response.destroyed) this.#response.write(`${JSON.stringify(line)}\n`);
  }

  /** As `write`, but left out while the client does not keep up. */
  offer(line: ServerLine): void {
    if (!this.#response.writableNeedDrain) this.write(line);
  }

  end(line: ServerLine): void {
    if (this.#ended) return;
    this.#ended = true;
    if (!this.#response.destroyed) this.#response.end(`${JSON.stringify(line)}\n`);
  }
}

function answerJSON(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
  response.end(JSON.stringify(value));
}

async function readJSON(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) throw new LitestreamError('TOO_LARGE', `a request may have ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString());
  } catch (cause) {
    throw new LitestreamError('USAGE', 'the request is not JSON', { cause });
  }
}

const statusOf = (error: unknown): number => (error instanceof LitestreamError && error.code === 'TOO_LARGE' ? 413 : 400);

function withoutUndefined({ protocol, toolsets }: { protocol?: string | undefined; toolsets?: string[] | undefined }) {
  return { ...(protocol === undefined ? {} : { protocol }), ...(toolsets === undefined ? {} : { toolsets }) };
}

async function listen(server: Server, path: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(path, resolve);
  try {
    await promise;
  } catch (cause) {
    const code = systemCode(cause) === 'EADDRINUSE' ? 'ADDRESS_IN_USE' : 'ACCESS_DENIED';
    throw new LitestreamError(code, `listening on the control socket ${path}`, { cause });
  } finally {
    server.off('error', reject);
  }
}

/** How long aborted calls may take to send their last line, ms. */
const LAST_LINE_MS = 250;

async function close(server: Server, calls: Calls, path: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  calls.abort();
  server.closeIdleConnections();
  const timer = setTimeout(() => server.closeAllConnections(), LAST_LINE_MS);
  await promise;
  clearTimeout(timer);
  rmSync(path, { force: true });
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the user database, as in containers.
    return String(process.getuid?.() ?? 'unknown');
  }
}
