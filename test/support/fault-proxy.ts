/**
 * Stands between a client of ours and a real HTTP server and misbehaves by script: it cuts, stalls, slows down, answers itself, loses answers and
 * delivers twice. What is signed, the Host header included, passes unchanged.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Exchange, heading, whole } from './fault-exchange.ts';
import { LoopbackDoor } from './loopback-door.ts';

/** Where in a message: inside its header, or after so many bytes of its body. `end`: all of the body has gone and the message is not finished. */
export type Place = 'header' | 'first byte' | 'middle' | 'last byte' | 'end' | number;

export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

export type HTTPFault =
  /** The connection breaks there. A request is broken before the server has all of it. */
  | { readonly type: 'cut'; readonly of: 'request' | 'answer'; readonly at: Place; readonly how?: 'reset' | 'end' }
  /** Nothing comes any more from there on; the connection stays. */
  | { readonly type: 'silence'; readonly of: 'request' | 'answer'; readonly at: Place }
  | { readonly type: 'slow'; readonly of: 'request' | 'answer'; readonly bytesPerSecond: number }
  /** The server is not asked. */
  | { readonly type: 'answer'; readonly answer: Answer }
  /** The server acts; then the connection breaks without an answer. */
  | { readonly type: 'lost answer' }
  /** The server acts; the answer comes later. */
  | { readonly type: 'late answer'; readonly ms: number }
  /** The server gets the request twice, one after the other; the client hears one of the answers. */
  | { readonly type: 'twice'; readonly hears: 'first' | 'second' }
  /** The answer is another one. */
  | { readonly type: 'edit'; readonly edit: (answer: Required<Answer> & { readonly body: Buffer }) => Answer };

export interface HTTPRule {
  readonly fault: HTTPFault;
  /** Requests it applies to, default all. */
  readonly when?: (request: SeenRequest) => boolean;
  /** How many of these, default 1. */
  readonly times?: number;
}

export interface SeenRequest {
  readonly method: string;
  /** Path and query as sent. */
  readonly path: string;
  readonly headers: Readonly<IncomingMessage['headers']>;
}

/** An answer whose Date header is off by so many ms. */
export const dateShifted = (ms: number): HTTPFault => ({
  type: 'edit',
  edit: (answer) => ({ ...answer, headers: { ...answer.headers, date: new Date(Date.now() + ms).toUTCString() } }),
});

/** A complete answer of which only the first bytes are there, as its length says. */
export const shortened = (bytes: number): HTTPFault => ({
  type: 'edit',
  edit: (answer) => ({ ...answer, body: answer.body.subarray(0, bytes) }),
});

export class FaultProxy {
  /** Requests so far. */
  readonly seen: SeenRequest[] = [];
  readonly #door: LoopbackDoor;
  readonly #target: URL;
  readonly #rules: { readonly rule: HTTPRule; left: number }[] = [];

  private constructor(target: string) {
    this.#target = new URL(target);
    const onRequest = (request: IncomingMessage, response: ServerResponse) => {
      request.on('error', () => {});
      response.on('error', () => {});
      const { socket } = request;
      this.#serve(request, response).catch(() => socket.destroy());
    };
    const server = createServer({ keepAliveTimeout: 60_000, requestTimeout: 0, headersTimeout: 0 }, onRequest);
    server.on('checkContinue', onRequest);
    server.on('clientError', (_error, socket) => socket.destroy());
    this.#door = new LoopbackDoor(server);
  }

  /** @param target http URL of the server; its path stays with the client. */
  static async start(target: string): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    await proxy.#door.open();
    return proxy;
  }

  get port(): number {
    return this.#door.port;
  }

  /** The server's URL through here. */
  get endpoint(): string {
    const url = new URL(this.#target);
    url.port = String(this.port);
    return url.href.replace(/\/$/, '');
  }

  get connections(): number {
    return this.#door.connections;
  }

  /** Adds rules; the first one that applies is used. */
  script(...rules: readonly HTTPRule[]): void {
    for (const rule of rules) this.#rules.push({ rule, left: rule.times ?? 1 });
  }

  /** How often the rules so far are still to be used, those without end left out. */
  get outstanding(): number {
    return this.#rules.reduce((sum, { left }) => sum + (Number.isFinite(left) ? left : 0), 0);
  }

  heal(): void {
    this.#rules.length = 0;
  }

  count(method: string, path: RegExp = /./): number {
    return this.seen.filter((request) => request.method === method && path.test(request.path)).length;
  }

  async down(): Promise<void> {
    await this.#door.shut();
  }

  async up(): Promise<void> {
    await this.#door.open();
  }

  async stop(): Promise<void> {
    this.heal();
    await this.#door.shut();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = { method: request.method ?? '', path: request.url ?? '', headers: request.headers };
    this.seen.push(seen);
    const found = this.#rules.find(({ rule, left }) => left > 0 && (rule.when?.(seen) ?? true));
    if (found !== undefined) found.left -= 1;
    const fault = found?.rule.fault;
    const exchange = new Exchange(this.#target, request, response);
    if (fault?.type === 'answer') return exchange.answer(fault.answer);
    if (fault !== undefined && 'of' in fault && fault.of === 'request') return exchange.faultyRequest(fault);
    if (fault?.type === 'twice') return exchange.twice(fault.hears);
    if (request.headers.expect !== undefined) response.writeContinue();
    const answer = await exchange.ask(request);
    if (fault?.type === 'lost answer') return exchange.break('reset', answer);
    if (fault?.type === 'late answer') await sleep(fault.ms, undefined, { ref: false });
    if (fault?.type === 'edit') {
      const { status, headers } = heading(answer);
      return exchange.answer(fault.edit({ status, headers, body: await whole(answer) }));
    }
    return exchange.pass(answer, fault !== undefined && 'of' in fault ? fault : undefined);
  }
}
