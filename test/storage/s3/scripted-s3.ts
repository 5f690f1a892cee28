/** An S3 server that answers by script and writes down what reaches it, and a transport that leads every host name to it. */

import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { type HandlerSettings, HTTPHandler, type WireOptions, type WireRequest } from '../../../src/storage/s3/http-handler.ts';
import { S3Store, type S3StoreOptions } from '../../../src/storage/s3/store.ts';
import type { S3StoreSpec } from '../../../src/storage/spec.ts';

export interface SeenRequest {
  /** What the request is for, in the words of the API. */
  readonly verb: Verb;
  readonly method: string;
  /** Path as sent, without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

export type Verb =
  | 'list'
  | 'get'
  | 'head'
  | 'head-bucket'
  | 'put'
  | 'create'
  | 'part'
  | 'complete'
  | 'abort'
  | 'delete-many'
  | 'delete'
  | 'other';

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

/** Decides an answer; undefined for the usual one. A function of its own writes to the socket itself. */
export type Script = (request: SeenRequest) => Answer | ((response: ServerResponse) => void) | undefined;

export const xml = (body: string): string => `<?xml version="1.0" encoding="UTF-8"?>\n${body}`;

export const errorAnswer = (status: number, code: string, more = '', headers: Record<string, string> = {}): Answer => ({
  status,
  headers: { 'content-type': 'application/xml', 'x-amz-request-id': 'REQ1', ...headers },
  body: xml(`<Error><Code>${code}</Code><Message>said the service</Message>${more}</Error>`),
});

export const listAnswer = (keys: readonly string[], { next }: { next?: string } = {}): Answer => ({
  body: xml(
    `<ListBucketResult><Name>bucket</Name><Prefix></Prefix><KeyCount>${keys.length}</KeyCount><MaxKeys>1000</MaxKeys>` +
      `<IsTruncated>${next !== undefined}</IsTruncated>${next === undefined ? '' : `<NextContinuationToken>${next}</NextContinuationToken>`}` +
      keys
        .map((key) => `<Contents><Key>${key}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`)
        .join('') +
      '</ListBucketResult>',
  ),
});

const DATES = { 'last-modified': 'Thu, 01 Jan 2026 00:00:00 GMT' };
const ETAG = '"0123456789abcdef0123456789abcdef"';

export class ScriptedS3 {
  readonly seen: SeenRequest[] = [];
  /** Hosts and protocols asked for, in order. */
  readonly origins: string[] = [];
  script: Script = () => undefined;
  /** Connections so far. */
  connectionsEver = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #stores: S3Store[] = [];

  private constructor() {
    this.#server = createServer((request, response) => void this.#serve(request, response));
    // Idle connections stay, however long a test takes between two requests.
    this.#server.keepAliveTimeout = 600_000;
    this.#server.on('connection', (socket) => {
      this.connectionsEver += 1;
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  static async start(): Promise<ScriptedS3> {
    const scripted = new ScriptedS3();
    await new Promise<void>((resolve) => scripted.#server.listen(0, '127.0.0.1', resolve));
    return scripted;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sockets.size;
  }

  /** A store whose requests come here, whatever the host they are for; closed by `stop`. */
  store(spec: Partial<S3StoreSpec> = {}, { handler, ...options }: S3StoreOptions & { readonly handler?: HTTPHandler } = {}): S3Store {
    const full: S3StoreSpec = {
      type: 's3',
      bucket: 'bucket',
      path: 'db',
      credentials: { accessKeyID: 'AKID', secretAccessKey: 'SECRET' },
      ...spec,
    };
    const store = new S3Store(full, { env: {}, handler: handler ?? this.handler(), ...options });
    this.#stores.push(store);
    return store;
  }

  handler(settings: HandlerSettings = {}): HTTPHandler {
    return new LeadingHandler(this, { env: {}, ...settings });
  }

  of(verb: Verb): SeenRequest[] {
    return this.seen.filter((request) => request.verb === verb);
  }

  async stop(): Promise<void> {
    for (const store of this.#stores) await store.close();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.on('error', () => {});
    response.on('error', () => {});
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return; // the client has gone
    }
    const { method = '', url = '' } = request;
    const [path = '', query = ''] = url.split('?', 2);
    const seen = { method, path, query: new URLSearchParams(query), headers: request.headers, body: Buffer.concat(chunks) };
    const told: SeenRequest = { verb: verbOf(seen), ...seen };
    this.seen.push(told);
    const answer = this.script(told) ?? usual(told);
    if (typeof answer === 'function') return answer(response);
    const body = answer.body ?? '';
    response.writeHead(answer.status ?? 200, { 'content-length': String(Buffer.byteLength(body)), ...answer.headers });
    response.end(method === 'HEAD' ? '' : body);
  }
}

class LeadingHandler extends HTTPHandler {
  readonly #to: ScriptedS3;

  constructor(to: ScriptedS3, settings: HandlerSettings) {
    super(settings);
    this.#to = to;
  }

  override handle(request: WireRequest, options?: WireOptions) {
    this.#to.origins.push(`${request.protocol}//${request.hostname}`);
    return super.handle(
      { ...request, protocol: 'http:', hostname: '127.0.0.1', port: this.#to.port, path: request.path, method: request.method },
      options,
    );
  }
}

function verbOf({ method, path, query, headers }: Omit<SeenRequest, 'verb'>): Verb {
  if (method === 'GET') return query.has('list-type') ? 'list' : 'get';
  if (method === 'POST')
    return query.has('delete') ? 'delete-many' : query.has('uploads') ? 'create' : query.has('uploadId') ? 'complete' : 'other';
  if (method === 'PUT') return query.has('partNumber') ? 'part' : 'put';
  if (method === 'DELETE') return query.has('uploadId') ? 'abort' : 'delete';
  if (method !== 'HEAD') return 'other';
  const virtual = !/^[\d.]+(?::\d+)?$/.test(headers.host ?? '') && (headers.host ?? '').startsWith('bucket.');
  return path.split('/').filter((part) => part !== '').length === (virtual ? 0 : 1) ? 'head-bucket' : 'head';
}

function usual({ verb, body }: SeenRequest): Answer {
  switch (verb) {
    case 'list':
      return listAnswer([]);
    case 'get':
      return { headers: { ...DATES, etag: ETAG }, body: 'content' };
    case 'head':
      return { headers: { ...DATES, etag: ETAG, 'content-length': '7' } };
    case 'put':
    case 'part':
      return { headers: { etag: `"${createHash('md5').update(body).digest('hex')}"` } };
    case 'create':
      return { body: xml('<InitiateMultipartUploadResult><UploadId>U1</UploadId></InitiateMultipartUploadResult>') };
    case 'complete':
      return { body: xml(`<CompleteMultipartUploadResult><Key>k</Key><ETag>${ETAG}</ETag></CompleteMultipartUploadResult>`) };
    case 'delete-many':
      return {
        body: xml(
          `<DeleteResult>${keysOf(body)
            .map((key) => `<Deleted><Key>${key}</Key></Deleted>`)
            .join('')}</DeleteResult>`,
        ),
      };
    case 'abort':
    case 'delete':
      return { status: 204 };
    default:
      return {};
  }
}

/** Keys of a batch delete. */
export const keysOf = (body: Buffer): string[] => [...body.toString().matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key ?? '');
