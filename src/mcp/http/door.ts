/** One fastify server behind one listener: routes, the requests now open, and an orderly end. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { McpServer, ServerNotifier } from '@modelcontextprotocol/server';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Clock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { CallsInFlight } from '../calls-in-flight.ts';
import type { CallLimits } from '../limits.ts';
import type { MCPObserver } from '../observer.ts';
import type { MCPSettings } from '../options.ts';
import type { ServerFor } from '../server-for.ts';
import type { TokenEntry } from '../token-entry.ts';
import type { Tokens } from '../tokens.ts';
import { BodyError, MAX_BODY_BYTES, parseBody } from './body.ts';
import { Guards, type Visitor } from './guards.ts';
import { type Refusal, refuse } from './replies.ts';
import { SSEDoor } from './sse.ts';
import { StreamableDoor } from './streamable.ts';

/** What serves the protocol, whatever the tools are. */
export interface ListenerOptions {
  readonly log: Logger;
  readonly clock: Clock;
  readonly observer: MCPObserver;
  readonly limits: CallLimits;
  readonly makeServer: (target: ServerFor) => McpServer;
  readonly calls: CallsInFlight;
}

/** Calls in flight at shutdown have this long. */
const GRACE_MS = 5_000;
/** Answers of calls that have just ended, and the last messages of streams, have this long to be written. */
const ANSWER_MS = 100;
const FLUSH_MS = 250;
/** A request must have arrived completely by then. */
const REQUEST_TIMEOUT_MS = 30_000;

interface OpenRequest {
  readonly visitor: Visitor;
  readonly res: ServerResponse;
}

/** Everything behind one address. `close` once; `app` is not listening yet. */
export class Door {
  readonly app: FastifyInstance;
  readonly #options: ListenerOptions;
  readonly #tokens: Tokens;
  readonly #guards: Guards;
  readonly #streamable: StreamableDoor;
  readonly #sse: SSEDoor;
  readonly #visitors = new WeakMap<IncomingMessage, Visitor>();
  readonly #open = new Set<OpenRequest>();
  #closing = false;

  constructor(settings: MCPSettings, tokens: Tokens, options: ListenerOptions) {
    this.#options = options;
    this.#tokens = tokens;
    const { limits, clock, observer } = options;
    this.#guards = new Guards({
      settings,
      tokens,
      limits,
      clock,
      observer,
      openCount: () => this.#open.size,
      isClosing: () => this.#closing,
    });
    this.#streamable = new StreamableDoor(options);
    this.#sse = new SSEDoor(options);
    this.app = this.#createApp();
  }

  get notify(): ServerNotifier {
    return this.#streamable.notify;
  }

  tokensChanged(): void {
    this.sweep();
    this.notify.toolsChanged();
  }

  /** Closes what is idle, and at once whatever belongs to a token that is gone, changed or expired. */
  sweep(): void {
    const accepts = (token: TokenEntry) => this.#tokens.accepts(token);
    this.#streamable.sweep(accepts);
    this.#sse.sweep(accepts);
    for (const { visitor, res } of this.#open) {
      if (visitor.token !== undefined && !accepts(visitor.token)) res.destroy();
    }
  }

  async close(): Promise<void> {
    this.#closing = true;
    await this.#options.calls.drain(GRACE_MS, new LitestreamError('SHUTTING_DOWN', 'The server is stopping.'));
    // A call that has ended has not been answered yet.
    await this.#responsesEnded(ANSWER_MS);
    await this.#streamable.close();
    this.#sse.close();
    await this.#responsesEnded(FLUSH_MS);
    await this.app.close();
  }

  /** Waits until every response has ended, at most `ms`: a client that does not read has to do without. */
  async #responsesEnded(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.#open.size > 0 && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  #createApp(): FastifyInstance {
    const app = fastify({
      bodyLimit: MAX_BODY_BYTES,
      // Without it close() would wait for open event streams.
      forceCloseConnections: true,
      requestTimeout: REQUEST_TIMEOUT_MS,
      exposeHeadRoutes: false,
      frameworkErrors: (_error, _request, reply) => refuse(reply, { status: 400, message: 'The request cannot be read.' }),
    });
    app.addHook('onRequest', async (request, reply) => {
      const visitor = this.#guards.admit(request, reply);
      if (visitor === undefined) return reply;
      this.#visitors.set(request.raw, visitor);
      return undefined;
    });
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('application/json', { parseAs: 'string' }, async (_request: FastifyRequest, text: string) => parseBody(text));
    for (const url of ['/mcp', '/', '/sse', '/messages']) app.all(url, (request, reply) => this.#route(request, reply));
    app.setNotFoundHandler((_request, reply) => refuse(reply, { status: 404, message: 'Nothing is served at this path.' }));
    app.setErrorHandler((error: unknown, _request, reply) => this.#fail(error, reply));
    return app;
  }

  async #route(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const visitor = this.#visitors.get(request.raw);
    const endpoint = this.#guards.endpointOf(request.url);
    if (visitor === undefined || endpoint === undefined) return refuse(reply, { status: 404, message: 'Nothing is served at this path.' });
    this.#track(visitor, reply.raw);
    reply.raw.setHeader('cache-control', 'no-store');
    reply.raw.setHeader('x-accel-buffering', 'no');
    reply.raw.setHeader('x-content-type-options', 'nosniff');
    const refusal = await this.#serve(endpoint, request, reply, visitor);
    if (refusal !== undefined) return refuse(reply, refusal);
    // The SDK writes to the raw response itself.
    return reply.hijack();
  }

  #serve(
    endpoint: 'streamable' | 'sse' | 'messages',
    request: FastifyRequest,
    reply: FastifyReply,
    visitor: Visitor,
  ): Promise<Refusal | undefined> {
    if (endpoint === 'sse') return this.#sse.open(reply.raw, visitor);
    if (endpoint === 'messages') return this.#sse.post(request.raw, reply.raw, request.body, visitor);
    return this.#streamable.serve(request.raw, reply.raw, request.body, visitor);
  }

  #track(visitor: Visitor, res: ServerResponse): void {
    const open = { visitor, res };
    this.#open.add(open);
    res.once('close', () => this.#open.delete(open));
  }

  #fail(error: unknown, reply: FastifyReply): FastifyReply {
    if (reply.raw.headersSent) {
      reply.raw.destroy();
      return reply.hijack();
    }
    const { observer, log } = this.#options;
    if (error instanceof BodyError) {
      observer.refused('body');
      return refuse(reply, { status: 400, code: error.code, message: error.message });
    }
    const status = (error as { statusCode?: number }).statusCode ?? 500;
    if (status === 413) {
      observer.refused('size');
      return refuse(reply, { status, message: 'The body is larger than 4 MiB.', headers: { connection: 'close' } });
    }
    if (status >= 500) log.log('error', 'mcp request failed', { error });
    return refuse(reply, { status, message: status >= 500 ? 'The server failed unexpectedly.' : 'The request cannot be read.' });
  }
}
