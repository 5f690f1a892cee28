/** The methods of WebDAV (RFC 4918) that a store needs. */

import { posix } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import type { WebDAVStoreSpec } from '../spec.ts';
import { Login } from './auth.ts';
import { connectionError, invalidResponse, refusalError } from './errors.ts';
import { HTTPConnections, type HTTPLimits, type HTTPResponse, type SentBody } from './http.ts';
import { type DAVResource, PROPFIND_BODY, parseMultistatus } from './multistatus.ts';

/** Bytes of an answer that are looked into when it is an error. */
const ERROR_BYTES = 2048;

/** Largest description of one directory: some 200,000 files. */
const LISTING_BYTES = 256 * 1024 * 1024;

export interface DAVCall {
  /** What is being done to what, for errors. */
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: SentBody;
  readonly signal?: AbortSignal | undefined;
}

export interface DAVAnswer extends HTTPResponse {
  /** The error this answer is, with the beginning of its body. */
  refusal(message: string): Promise<LitestreamError>;
}

export interface DAVDirectory {
  readonly self: DAVResource;
  readonly children: readonly (DAVResource & { readonly name: string })[];
}

/** Paths are decoded, absolute below the host, without a slash at the end; `/` is the top. */
export class DAVClient {
  /** Path of the configured URL. */
  readonly base: string;
  readonly #origin: URL;
  readonly #connections: HTTPConnections;
  readonly #login: Login | undefined;
  #asksForAll = false;

  constructor(spec: WebDAVStoreSpec, limits: HTTPLimits) {
    this.#origin = endpointOf(spec.endpoint);
    this.base = cleaned(decoded(this.#origin.pathname));
    this.#connections = new HTTPConnections(this.#origin, limits);
    const { user, credentials } = spec;
    this.#login = user === undefined ? undefined : new Login(user, credentials?.password ?? '', this.#origin.protocol === 'https:');
  }

  /** URL of a path, for people and for Destination headers. */
  url(path: string): string {
    return this.#origin.origin + target(path);
  }

  close(): void {
    this.#connections.close();
  }

  /**
   * Sends a request, logging in when asked to. Resolves with whatever the server answers except 401; the body of the request may be read
   * again for that.
   */
  async send(method: string, path: string, { message, headers = {}, body, signal }: DAVCall): Promise<DAVAnswer> {
    for (let attempt = 1; ; attempt++) {
      const uri = target(path);
      const authorization = this.#login?.header(method, uri);
      const sent = authorization === undefined ? {} : { Authorization: authorization };
      const response = await this.#exchange(message, () =>
        this.#connections.send({ method, target: uri, headers: { 'User-Agent': 'litestream', ...headers, ...sent }, body, signal }),
      );
      const answer = { ...response, refusal: (about: string) => this.#refusal(about, path, response) };
      if (response.status !== 401) return answer;
      if (attempt < 3 && this.#login?.learn(response.challenges, authorization) === true) {
        response.discard();
        continue;
      }
      const error = await answer.refusal(message);
      if (this.#login !== undefined) throw error;
      throw new LitestreamError(error.code, error.message, { ...about(error), hint: 'The server wants a login: set user and password.' });
    }
  }

  /** As `send`, with errors for all statuses but the given ones. */
  async expect(statuses: readonly number[], method: string, path: string, call: DAVCall): Promise<DAVAnswer> {
    const answer = await this.send(method, path, call);
    if (statuses.includes(answer.status)) return answer;
    throw await answer.refusal(call.message);
  }

  /** One resource; undefined when it is missing. */
  async look(path: string, call: DAVCall): Promise<DAVResource | undefined> {
    return (await this.#propfind(path, '0', call))?.self;
  }

  /** A collection and what is in it; undefined when it is missing. */
  async list(path: string, call: DAVCall): Promise<DAVDirectory | undefined> {
    return this.#propfind(path, '1', call);
  }

  /** Reads an answer to its end; RESPONSE_INVALID above `most` bytes. */
  async text(answer: HTTPResponse, most: number, message: string): Promise<string> {
    const chunks: Uint8Array[] = [];
    let size = 0;
    await this.#exchange(message, async () => {
      for await (const chunk of answer.body()) {
        chunks.push(chunk);
        size += chunk.byteLength;
        if (size > most) throw invalidResponse(`${message}: the answer has more than ${most} bytes`, '', {});
      }
    });
    return Buffer.concat(chunks).toString('utf8');
  }

  /** Errors of the connection as ours. */
  async #exchange<T>(message: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw this.connectionError(error, message);
    }
  }

  connectionError(error: unknown, message: string): unknown {
    return connectionError(error, message, this.#origin.host);
  }

  async #propfind(path: string, depth: '0' | '1', call: DAVCall): Promise<DAVDirectory | undefined> {
    const { message } = call;
    const asksForAll = this.#asksForAll;
    const headers = {
      Depth: depth,
      Accept: 'application/xml, text/xml',
      ...(asksForAll ? {} : { 'Content-Type': 'application/xml; charset=utf-8' }),
    };
    const content = Buffer.from(PROPFIND_BODY);
    const body: SentBody = {
      size: content.byteLength,
      async *open() {
        yield content;
      },
    };
    // Collections are named with a slash, or some servers redirect.
    const asked = depth === '1' ? `${path === '/' ? '' : path}/` : path;
    const answer = await this.send('PROPFIND', asked, { ...call, headers, ...(asksForAll ? {} : { body }) });
    if (answer.status === 404 || answer.status === 410) {
      answer.discard();
      return undefined;
    }
    if (depth === '0' && isRedirectToDirectory(answer, path)) {
      answer.discard();
      return { self: { path, isCollection: true, size: 0, modifiedAt: 0, tag: undefined }, children: [] };
    }
    if (answer.status !== 207 && answer.status !== 200) throw await answer.refusal(message);
    const text = await this.text(answer, LISTING_BYTES, message);
    const found = await parseMultistatus(text);
    if (found === 'split' && !asksForAll) {
      this.#asksForAll = true;
      return this.#propfind(path, depth, call);
    }
    const directory = typeof found === 'string' ? undefined : arranged(found, path, path === this.base);
    if (directory !== undefined) return directory;
    const details = { status: answer.status, url: this.url(path), contentType: answer.headers['content-type'] ?? null };
    throw invalidResponse(`${message}: ${this.url(path)} answered with something that is no WebDAV listing`, text, details);
  }

  async #refusal(message: string, path: string, response: HTTPResponse): Promise<LitestreamError> {
    let text = '';
    try {
      for await (const chunk of response.body()) {
        text += Buffer.from(chunk).toString('utf8');
        if (text.length > ERROR_BYTES) break;
      }
    } catch {
      // the status says enough
    }
    return refusalError(message, { status: response.status, headers: response.headers, text, url: this.url(path) });
  }
}

function endpointOf(endpoint: string): URL {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:'))
    throw new LitestreamError('CONFIG_INVALID', `"${endpoint.replace(/\/\/[^/@]*@/, '//')}" is no URL of a WebDAV server`, {
      hint: 'It begins with http:// or https://.',
    });
  return url;
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

/** An absolute path without a slash at the end, `/` for the top. */
export const cleaned = (path: string): string => posix.join('/', path).replace(/(?<=.)\/+$/, '');

/** A path as it stands in a request line. */
const target = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

function isRedirectToDirectory({ status, headers }: HTTPResponse, path: string): boolean {
  const { location } = headers;
  if (status < 300 || status >= 400 || location === undefined) return false;
  return location.replace(/^[a-z]+:\/\/[^/]*/i, '').replace(/[?#].*$/s, '') === `${target(path)}/`;
}

/**
 * Which of the resources was asked for, and what is in it; undefined when they do not belong together. A proxy may have changed the beginning
 * of all paths.
 */
function arranged(found: readonly DAVResource[], path: string, isBase: boolean): DAVDirectory | undefined {
  const self =
    found.find((resource) => resource.path === path) ??
    found.find((resource) => isTop(resource, found, isBase ? undefined : posix.basename(path)));
  if (self === undefined) return undefined;
  const start = self.path === '/' ? '/' : `${self.path}/`;
  const children = found.flatMap((resource) => (resource === self ? [] : [{ ...resource, name: resource.path.slice(start.length) }]));
  return children.every((child) => child.path.startsWith(start) && child.name !== '' && !child.name.includes('/'))
    ? { self, children }
    : undefined;
}

/** @param name it must have, undefined for any. */
function isTop(resource: DAVResource, found: readonly DAVResource[], name: string | undefined): boolean {
  if (name !== undefined && posix.basename(resource.path) !== name) return false;
  return found.every((other) => other === resource || other.path.startsWith(`${resource.path}/`));
}

const about = ({ details, cause }: LitestreamError) => ({
  ...(details === undefined ? {} : { details }),
  ...(cause === undefined ? {} : { cause }),
});
