/**
 * A fake of Google Cloud Storage for tests: the part of its JSON API that an object store needs, in memory, on loopback.
 *
 * Usage: node tools/services/gcs/server.ts [--port N] [--token TEXT]. Prints one line of JSON, `{"port": N}`, when it listens. With a token,
 * requests must carry it as bearer.
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { Bucket, ProtocolError, type StoredObject } from './objects.ts';
import { parseResource, Sessions, splitMultipart } from './uploads.ts';

const { values: flags } = parseArgs({ options: { port: { type: 'string', default: '0' }, token: { type: 'string' } } });

const buckets = new Map<string, Bucket>();
const sessions = new Sessions();

interface Call {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly bucket: string;
  readonly object: string;
}

function bucketNamed(name: string): Bucket {
  const bucket = buckets.get(name);
  if (bucket === undefined) throw new ProtocolError(404, 'notFound', 'The specified bucket does not exist.');
  return bucket;
}

const resourceOf = (bucket: string, object: StoredObject): object => ({
  kind: 'storage#object',
  id: `${bucket}/${object.name}/${object.generation}`,
  name: object.name,
  bucket,
  generation: String(object.generation),
  metageneration: '1',
  contentType: object.contentType,
  size: String(object.bytes.length),
  md5Hash: object.md5,
  crc32c: object.crc32c,
  etag: `${object.generation}`,
  timeCreated: object.timeCreated,
  updated: object.timeCreated,
  storageClass: 'STANDARD',
  metadata: object.metadata,
});

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function answer(response: ServerResponse, status: number, value: object): void {
  const text = JSON.stringify(value);
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', 'content-length': Buffer.byteLength(text) }).end(text);
}

async function makeBucket({ request, response }: Call): Promise<void> {
  const { name = '' } = parseResource(await bodyOf(request));
  if (buckets.has(name))
    throw new ProtocolError(409, 'conflict', 'Your previous request to create the named bucket succeeded and you already own it.');
  buckets.set(name, new Bucket(name));
  answer(response, 200, { kind: 'storage#bucket', id: name, name });
}

function listObjects({ response, url, bucket }: Call): void {
  const { items, prefixes, nextPageToken } = bucketNamed(bucket).list(url.searchParams);
  answer(response, 200, {
    kind: 'storage#objects',
    ...(items.length === 0 ? {} : { items: items.map((object) => resourceOf(bucket, object)) }),
    ...(prefixes.length === 0 ? {} : { prefixes }),
    ...(nextPageToken === undefined ? {} : { nextPageToken }),
  });
}

function sendMedia({ request, response }: Call, object: StoredObject): void {
  const size = object.bytes.length;
  const headers = {
    'content-type': object.contentType,
    'x-goog-generation': String(object.generation),
    'x-goog-hash': `${object.crc32c === undefined ? '' : `crc32c=${object.crc32c},`}md5=${object.md5}`,
    'x-goog-stored-content-length': String(size),
  };
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  if (range === null) {
    response.writeHead(200, { ...headers, 'content-length': size }).end(object.bytes);
    return;
  }
  const start = Number(range[1]);
  const end = Math.min(size, range[2] === '' ? size : Number(range[2]) + 1);
  if (start >= size) throw new ProtocolError(416, 'requestedRangeNotSatisfiable', 'The requested range cannot be satisfied.');
  const part = { ...headers, 'content-length': end - start, 'content-range': `bytes ${start}-${end - 1}/${size}` };
  response.writeHead(206, part).end(object.bytes.subarray(start, end));
}

function oneObject(call: Call): void {
  const { request, response, url, bucket, object: name } = call;
  const held = bucketNamed(bucket);
  if (request.method === 'DELETE') {
    const object = held.get(name);
    held.checkGeneration(object.name, url.searchParams.get('ifGenerationMatch'));
    held.delete(name);
    response.writeHead(204).end();
  } else if (request.method === 'GET') {
    const object = held.get(name);
    if (url.searchParams.get('alt') === 'media') sendMedia(call, object);
    else answer(response, 200, resourceOf(bucket, object));
  } else throw new ProtocolError(405, 'methodNotAllowed', `${request.method} is not known here`);
}

async function upload({ request, response, url, bucket }: Call): Promise<void> {
  const id = url.searchParams.get('upload_id');
  if (id !== null) return continueUpload(id, request, response, bucket);
  const held = bucketNamed(bucket);
  const body = await bodyOf(request);
  const condition = url.searchParams.get('ifGenerationMatch');
  if (url.searchParams.get('uploadType') === 'resumable') {
    const resource = parseResource(body);
    const session = sessions.open(held, nameOf(url, resource), resource, condition);
    const location = `http://${request.headers.host}/upload/storage/v1/b/${encodeURIComponent(bucket)}/o?uploadType=resumable&upload_id=${session}`;
    response.writeHead(200, { location, 'content-length': 0 }).end();
    return;
  }
  const { resource, bytes } = splitMultipart(body, request.headers['content-type'] ?? '');
  const name = nameOf(url, resource);
  held.checkGeneration(name, condition);
  answer(response, 200, resourceOf(bucket, held.put(name, bytes, resource)));
}

async function continueUpload(id: string, request: IncomingMessage, response: ServerResponse, bucket: string): Promise<void> {
  const body = await bodyOf(request);
  if (request.method === 'DELETE') {
    sessions.cancel(id);
    response.writeHead(499, { 'content-length': 0 }).end();
    return;
  }
  const result = sessions.write(id, body, request.headers);
  if ('object' in result) answer(response, 200, resourceOf(bucket, result.object));
  else
    response.writeHead(308, { 'content-length': 0, ...(result.received === 0 ? {} : { range: `bytes=0-${result.received - 1}` }) }).end();
}

function nameOf(url: URL, resource: { readonly name?: string }): string {
  const name = url.searchParams.get('name') ?? resource.name;
  if (name === undefined || name === '') throw new ProtocolError(400, 'required', 'Required object name');
  return name;
}

async function route(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = new URL(request.url ?? '/', 'http://fake');
  if (flags.token !== undefined && request.headers.authorization !== `Bearer ${flags.token}`) {
    throw new ProtocolError(401, 'authError', 'Invalid Credentials');
  }
  // The library leaves out /storage/v1 when it learned the address from STORAGE_EMULATOR_HOST.
  const path = /^(\/upload)?(?:\/storage\/v1)?\/b(?:\/([^/]+)(\/o(?:\/(.+))?)?)?$/.exec(url.pathname);
  if (path === null) throw new ProtocolError(404, 'notFound', 'Not Found');
  const call: Call = { request, response, url, bucket: decodeURIComponent(path[2] ?? ''), object: decodeURIComponent(path[4] ?? '') };
  if (path[1] !== undefined) await upload(call);
  else if (path[2] === undefined) await makeBucket(call);
  else if (path[3] === undefined) answer(response, 200, { kind: 'storage#bucket', id: bucketNamed(call.bucket).name, name: call.bucket });
  else if (path[4] === undefined) listObjects(call);
  else oneObject(call);
}

function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const { status, reason, message } =
    error instanceof ProtocolError
      ? error
      : { status: 500, reason: 'internalError', message: error instanceof Error ? error.message : String(error) };
  request.resume();
  if (response.headersSent) response.destroy();
  else answer(response, status, { error: { code: status, message, errors: [{ domain: 'global', reason, message }] } });
}

const server = createServer((request, response) => {
  response.setHeader('x-guploader-uploadid', 'fake');
  route(request, response).catch((error: unknown) => refuse(request, response, error));
});
server.listen(Number(flags.port), '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })));
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(0));
