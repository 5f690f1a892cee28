/** Streamable HTTP at `/mcp` and `/`: each POST goes to the leg of its era. */

import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type NodeIncomingMessageLike, NodeStreamableHTTPServerTransport, toNodeHandler, toWebRequest } from '@modelcontextprotocol/node';
import {
  createMcpHandler,
  isInitializeRequest,
  isLegacyRequest,
  type McpHttpHandler,
  type McpServer,
  type ServerNotifier,
} from '@modelcontextprotocol/server';
import type { Clock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { MCPObserver } from '../observer.ts';
import type { ServerFor } from '../server-for.ts';
import type { TokenEntry } from '../token-entry.ts';
import { authInfoOf, callerFrom } from './auth-info.ts';
import { type Connection, Connections } from './connections.ts';
import type { Visitor } from './guards.ts';
import { CODES, type Refusal } from './replies.ts';

const KEEP_ALIVE_MS = 15_000;
const IDLE_MS = 30 * 60_000;
const MOST_CONNECTIONS = 64;
const MOST_LISTENERS = 64;
const LISTENERS_PER_PRINCIPAL = 8;

export interface StreamableOptions {
  readonly makeServer: (target: ServerFor) => McpServer;
  readonly clock: Clock;
  readonly log: Logger;
  readonly observer: MCPObserver;
}

type Legacy = Connection<NodeStreamableHTTPServerTransport>;

export class StreamableDoor {
  readonly #options: StreamableOptions;
  readonly #handler: McpHttpHandler;
  readonly #modern: ReturnType<typeof toNodeHandler>;
  readonly #legacy: Connections<NodeStreamableHTTPServerTransport>;
  readonly #listeners = new Map<string, number>();

  constructor(options: StreamableOptions) {
    this.#options = options;
    const onerror = (error: Error) => options.log.log('debug', 'mcp request not served', { error: error.message });
    this.#handler = createMcpHandler(
      ({ authInfo }) => options.makeServer({ caller: callerFrom(authInfo), era: 'modern', transport: 'http' }),
      {
        legacy: 'reject',
        keepAliveMs: KEEP_ALIVE_MS,
        maxSubscriptions: MOST_LISTENERS,
        onerror,
      },
    );
    this.#modern = toNodeHandler(this.#handler, { onerror });
    this.#legacy = new Connections({
      most: MOST_CONNECTIONS,
      mostPerPrincipal: MOST_CONNECTIONS,
      idleMs: IDLE_MS,
      clock: options.clock,
      close: (transport) => void transport.close().catch(onerror),
      onCount: (count) => options.observer.connections('streamable', count),
    });
  }

  /** Answers a request that has passed the guards, or returns why not; the response is then still untouched. */
  async serve(req: IncomingMessage, res: ServerResponse, body: unknown, visitor: Visitor): Promise<Refusal | undefined> {
    if (Array.isArray(body)) return { status: 400, code: CODES.invalidRequest, message: 'Batches are not accepted.' };
    const legacy = req.method !== 'POST' || (await isLegacyRequest(await toWebRequest(asSDKRequest(req), body), body));
    return legacy ? this.#serveLegacy(req, res, body, visitor) : this.#serveModern(req, res, body, visitor);
  }

  /** Tells listening clients that a list or resource may be another one now. */
  get notify(): ServerNotifier {
    return this.#handler.notify;
  }

  sweep(accepts: (token: TokenEntry) => boolean): void {
    this.#legacy.sweep(accepts);
  }

  /** Ends listening streams properly, then everything that lasts. */
  async close(): Promise<void> {
    await this.#handler.close();
    this.#legacy.closeAll();
  }

  async #serveModern(req: IncomingMessage, res: ServerResponse, body: unknown, visitor: Visitor): Promise<Refusal | undefined> {
    const { principal } = visitor.caller;
    if ((body as { method?: unknown } | null)?.method === 'subscriptions/listen' && !this.#countListener(principal, res)) {
      return { status: 429, message: 'Too many listening streams.', headers: { 'retry-after': '60' } };
    }
    await this.#modern(asSDKRequest(Object.assign(req, { auth: authInfoOf(visitor) })), res, body);
    return undefined;
  }

  #countListener(principal: string, res: ServerResponse): boolean {
    const mine = this.#listeners.get(principal) ?? 0;
    if (mine >= LISTENERS_PER_PRINCIPAL) return false;
    this.#setListeners(principal, mine + 1);
    res.once('close', () => this.#setListeners(principal, (this.#listeners.get(principal) ?? 1) - 1));
    return true;
  }

  #setListeners(principal: string, count: number): void {
    if (count > 0) this.#listeners.set(principal, count);
    else this.#listeners.delete(principal);
    let total = 0;
    for (const each of this.#listeners.values()) total += each;
    this.#options.observer.connections('listen', total);
  }

  async #serveLegacy(req: IncomingMessage, res: ServerResponse, body: unknown, visitor: Visitor): Promise<Refusal | undefined> {
    const id = req.headers['mcp-session-id'];
    const found = typeof id === 'string' ? this.#legacy.find(id, visitor.caller.principal) : undefined;
    if (id !== undefined && found === undefined) {
      return { status: 404, code: CODES.noConnection, message: 'No such connection; initialize again.' };
    }
    if (found === undefined && !isInitializeRequest(body)) {
      return { status: 400, code: CODES.invalidRequest, message: 'Initialize first, or send a request of the current revision.' };
    }
    const transport = found?.transport ?? (await this.#open(visitor));
    if (transport === undefined) return { status: 503, message: 'Too many connections.', headers: { 'retry-after': '60' } };
    if (found !== undefined) markUse(found, res);
    await transport.handleRequest(Object.assign(req, { auth: authInfoOf(visitor) }), res, body);
    return undefined;
  }

  async #open(visitor: Visitor): Promise<NodeStreamableHTTPServerTransport | undefined> {
    if (!this.#legacy.makeRoom(visitor.caller.principal)) return undefined;
    const transport = new NodeStreamableHTTPServerTransport({
      sessionIdGenerator: () => randomBytes(16).toString('hex'),
      keepAliveMs: KEEP_ALIVE_MS,
      onsessioninitialized: (id) => void this.#legacy.add(id, transport, visitor),
      onsessionclosed: (id) => this.#legacy.remove(id),
    });
    const server = this.#options.makeServer({ caller: visitor.caller, era: 'legacy', transport: 'http' });
    await server.connect(transport).catch((cause: unknown) => {
      throw new LitestreamError('INTERNAL', 'cannot open an MCP connection', { cause });
    });
    return transport;
  }
}

/** The same object: Node's types write optional fields as possibly undefined, the SDK's do not. */
const asSDKRequest = (req: IncomingMessage): NodeIncomingMessageLike => req as NodeIncomingMessageLike;

function markUse(connection: Legacy, res: ServerResponse): void {
  connection.inUse += 1;
  res.once('close', () => {
    connection.inUse -= 1;
  });
}
