/** The checks every request passes before anything looks at it, in one order. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../base/clock.ts';
import type { Caller } from '../../control/caller.ts';
import { type CallLimits, RateLimiter } from '../limits.ts';
import type { MCPObserver, RefusalReason } from '../observer.ts';
import type { MCPSettings } from '../options.ts';
import type { TokenEntry } from '../token-entry.ts';
import { bearerToken, type Tokens } from '../tokens.ts';
import { MAX_BODY_BYTES } from './body.ts';
import { isAllowedHost, isAllowedOrigin } from './names.ts';
import { type Refusal, refuse } from './replies.ts';

/** Whose request this is, and by which token. */
export interface Visitor {
  readonly caller: Caller;
  readonly token?: TokenEntry;
}

export type Endpoint = 'streamable' | 'sse' | 'messages';

const METHODS: Readonly<Record<Endpoint, readonly string[]>> = {
  streamable: ['POST', 'GET', 'DELETE'],
  sse: ['GET'],
  messages: ['POST'],
};

/** Requests and streams open at once. */
const MAX_OPEN = 256;
/** Wrong tokens per minute and address. */
const TOKEN_FAILURES = { perMinute: 10, burst: 10 };

interface Refused extends Refusal {
  readonly reason: RefusalReason;
}

export interface GuardOptions {
  readonly settings: MCPSettings;
  readonly tokens: Tokens;
  readonly limits: CallLimits;
  readonly clock: Clock;
  readonly observer: MCPObserver;
  /** Requests and streams now open. */
  readonly openCount: () => number;
  readonly isClosing: () => boolean;
}

export class Guards {
  readonly #options: GuardOptions;
  readonly #failures: RateLimiter;
  readonly #requests: RateLimiter;

  constructor(options: GuardOptions) {
    this.#options = options;
    this.#failures = new RateLimiter(TOKEN_FAILURES, options.clock);
    this.#requests = new RateLimiter(options.limits.requests, options.clock);
  }

  /** The visitor, or undefined after the request has been answered with a refusal. */
  admit(request: FastifyRequest, reply: FastifyReply): Visitor | undefined {
    const early = this.#checkNames(request) ?? this.#checkRoom(request);
    if (early !== undefined) return this.#turnAway(reply, early);
    const visitor = this.#identify(request);
    if ('reason' in visitor) return this.#turnAway(reply, visitor);
    const late = this.#checkRate(visitor) ?? this.#checkShape(request);
    return late === undefined ? visitor : this.#turnAway(reply, late);
  }

  /** What is served at a path: `/mcp`, and `/` because that is where the original answers. */
  endpointOf(url: string): Endpoint | undefined {
    const path = url.split('?', 1)[0];
    if (path === '/mcp' || path === '/') return 'streamable';
    if (!this.#options.settings.sse) return undefined;
    return path === '/sse' ? 'sse' : path === '/messages' ? 'messages' : undefined;
  }

  #turnAway(reply: FastifyReply, { reason, ...refusal }: Refused): undefined {
    this.#options.observer.refused(reason);
    refuse(reply, refusal);
    return undefined;
  }

  #checkNames({ headers }: FastifyRequest): Refused | undefined {
    const { allowedHosts, allowedOrigins } = this.#options.settings;
    if (!isAllowedHost(headers.host, allowedHosts)) return { reason: 'host', status: 403, message: 'This Host is not served here.' };
    if (headers.origin !== undefined && !isAllowedOrigin(headers.origin, allowedOrigins)) {
      return { reason: 'origin', status: 403, message: 'This Origin is not served here.' };
    }
    return undefined;
  }

  #checkRoom({ headers }: FastifyRequest): Refused | undefined {
    const busy = { status: 503, headers: { 'retry-after': '5' } };
    if (this.#options.isClosing()) return { ...busy, reason: 'shutdown', message: 'The server is stopping.' };
    if (this.#options.openCount() >= MAX_OPEN) return { ...busy, reason: 'connections', message: 'Too many connections.' };
    if (Number(headers['content-length'] ?? 0) > MAX_BODY_BYTES) {
      return { reason: 'size', status: 413, message: 'The body is larger than 4 MiB.', headers: { connection: 'close' } };
    }
    return undefined;
  }

  #identify(request: FastifyRequest): Visitor | Refused {
    if (/[?&](?:token|access_token)=/i.test(request.url)) {
      return { reason: 'query-token', status: 400, message: 'A token is accepted in the Authorization header only.' };
    }
    const { settings, tokens } = this.#options;
    const readOnly = settings.readOnly || isTightened(request.headers['x-litestream-read-only']);
    const door = { door: 'mcp-http', operator: false } as const;
    // Without a token only this machine can connect, and it may read, whatever read-only mode says.
    if (!tokens.required) return { caller: { ...door, principal: 'loopback', scopes: ['read'], readOnly } };
    const presented = bearerToken(request.headers.authorization);
    const token = presented === undefined ? undefined : tokens.find(presented);
    if (token === undefined) return this.#unknownToken(request.ip, presented !== undefined);
    const { name: principal, scopes, databases } = token;
    return { caller: { ...door, principal, scopes, readOnly, ...(databases === undefined ? {} : { databases }) }, token };
  }

  #unknownToken(address: string, presented: boolean): Refused {
    // A request without any token guesses nothing and is not counted.
    const wait = presented ? this.#failures.take(address) : this.#failures.peek(address);
    if (wait !== undefined) {
      return { reason: 'token', status: 429, message: 'Too many wrong tokens.', headers: { 'retry-after': String(wait) } };
    }
    return { reason: 'token', status: 401, message: 'A valid bearer token is needed.', headers: { 'www-authenticate': 'Bearer' } };
  }

  #checkRate({ caller }: Visitor): Refused | undefined {
    const wait = this.#requests.take(caller.principal);
    if (wait === undefined) return undefined;
    return { reason: 'rate', status: 429, message: 'Too many requests.', headers: { 'retry-after': String(wait) } };
  }

  #checkShape(request: FastifyRequest): Refused | undefined {
    const endpoint = this.endpointOf(request.url);
    if (endpoint === undefined) return { reason: 'method', status: 404, message: 'Nothing is served at this path.' };
    const methods = METHODS[endpoint];
    if (!methods.includes(request.method)) {
      return { reason: 'method', status: 405, message: `Use ${methods.join(', ')}.`, headers: { allow: methods.join(', ') } };
    }
    return checkMedia(endpoint, request);
  }
}

function checkMedia(endpoint: Endpoint, { method, headers }: FastifyRequest): Refused | undefined {
  const sessionId = headers['mcp-session-id'];
  if (endpoint === 'streamable' && method !== 'POST' && sessionId === undefined) {
    return { reason: 'method', status: 405, message: 'Use POST.', headers: { allow: 'POST' } };
  }
  if (method !== 'POST') return undefined;
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/json') return { reason: 'media', status: 415, message: 'Content-Type must be application/json.' };
  const accept = headers.accept?.toLowerCase() ?? '';
  if (endpoint === 'streamable' && !(accept.includes('application/json') && accept.includes('text/event-stream'))) {
    return { reason: 'media', status: 406, message: 'Accept must name application/json and text/event-stream.' };
  }
  return undefined;
}

/** The header can only tighten: every value but `false` does. */
function isTightened(header: string | string[] | undefined): boolean {
  const values = header === undefined ? [] : [header].flat();
  return values.some((value) => value.trim().toLowerCase() !== 'false');
}
