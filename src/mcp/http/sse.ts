/** The transport of the oldest revisions: a GET stream at `/sse` and POSTs to `/messages`. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js';
import type { McpServer } from '@modelcontextprotocol/server';
import type { Clock } from '../../base/clock.ts';
import type { MCPObserver } from '../observer.ts';
import type { ServerFor } from '../server-for.ts';
import type { TokenEntry } from '../token-entry.ts';
import { authInfoOf } from './auth-info.ts';
import { Connections } from './connections.ts';
import type { Visitor } from './guards.ts';
import { CODES, type Refusal } from './replies.ts';

const KEEP_ALIVE_MS = 15_000;
const IDLE_MS = 30 * 60_000;
const MOST = 16;
const MOST_PER_PRINCIPAL = 8;

export interface SSEOptions {
  readonly makeServer: (target: ServerFor) => McpServer;
  readonly clock: Clock;
  readonly observer: MCPObserver;
}

export class SSEDoor {
  readonly #options: SSEOptions;
  readonly #connections: Connections<SSEServerTransport>;

  constructor(options: SSEOptions) {
    this.#options = options;
    this.#connections = new Connections({
      most: MOST,
      mostPerPrincipal: MOST_PER_PRINCIPAL,
      idleMs: IDLE_MS,
      clock: options.clock,
      close: (transport) => void transport.close().catch(() => {}),
      onCount: (count) => options.observer.connections('sse', count),
    });
  }

  async open(res: ServerResponse, visitor: Visitor): Promise<Refusal | undefined> {
    if (!this.#connections.makeRoom(visitor.caller.principal)) {
      return { status: 503, message: 'Too many connections.', headers: { 'retry-after': '60' } };
    }
    // About a hundred packages come with it, for clients that hardly exist any more: loaded when the first one appears.
    const { SSEServerTransport } = await import('@modelcontextprotocol/sdk/server/sse.js');
    const transport = new SSEServerTransport('/messages', res);
    const id = transport.sessionId;
    this.#connections.add(id, transport, visitor);
    const keepAlive = setInterval(() => res.write(': keep-alive\n\n'), KEEP_ALIVE_MS);
    keepAlive.unref();
    res.once('close', () => {
      clearInterval(keepAlive);
      this.#connections.remove(id);
    });
    await this.#options.makeServer({ caller: visitor.caller, era: 'legacy', transport: 'sse' }).connect(transport);
    return undefined;
  }

  async post(req: IncomingMessage, res: ServerResponse, body: unknown, visitor: Visitor): Promise<Refusal | undefined> {
    const id = new URL(req.url ?? '/', 'http://localhost').searchParams.get('sessionId') ?? '';
    const connection = this.#connections.find(id, visitor.caller.principal);
    if (connection === undefined) return { status: 404, code: CODES.noConnection, message: 'No such connection; open /sse again.' };
    await connection.transport.handlePostMessage(Object.assign(req, { auth: authInfoOf(visitor) }), res, body);
    return undefined;
  }

  sweep(accepts: (token: TokenEntry) => boolean): void {
    this.#connections.sweep(accepts);
  }

  close(): void {
    this.#connections.closeAll();
  }
}
