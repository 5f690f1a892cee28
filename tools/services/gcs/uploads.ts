/** The two ways of uploading that the fake Cloud Storage server takes: one request of two parts, and resumable sessions. */

import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { type Bucket, type ObjectResource, ProtocolError, type StoredObject } from './objects.ts';

/** The resource and the bytes of a `multipart/related` body. */
export function splitMultipart(body: Buffer, contentType: string): { readonly resource: ObjectResource; readonly bytes: Buffer } {
  const boundary = /boundary=(?:"([^"]+)"|([^;\s]+))/.exec(contentType);
  const mark = boundary?.[1] ?? boundary?.[2];
  if (mark === undefined) throw new ProtocolError(400, 'badContent', 'multipart without boundary');
  const first = partAfter(body, body.indexOf(`--${mark}`), mark);
  const second = partAfter(body, first.end, mark);
  const resource = parseResource(first.content);
  return { resource: { contentType: second.type ?? 'application/octet-stream', ...resource }, bytes: second.content };
}

/** Copies: what is stored must not keep the whole request alive. */
function partAfter(
  body: Buffer,
  at: number,
  mark: string,
): { readonly content: Buffer; readonly type: string | undefined; readonly end: number } {
  const headEnd = body.indexOf('\r\n\r\n', at);
  const end = body.indexOf(`\r\n--${mark}`, Math.max(0, headEnd + 2));
  if (at < 0 || headEnd < 0 || end < 0) throw new ProtocolError(400, 'badContent', 'Malformed multipart body.');
  const type = /^content-type:\s*(.+?)\s*$/im.exec(body.subarray(at, headEnd).toString())?.[1];
  return { content: Buffer.from(body.subarray(headEnd + 4, Math.max(headEnd + 4, end))), type, end: end + 2 };
}

export function parseResource(body: Buffer): ObjectResource {
  try {
    return body.length === 0 ? {} : (JSON.parse(body.toString()) as ObjectResource);
  } catch {
    throw new ProtocolError(400, 'parseError', 'Parse Error');
  }
}

interface Session {
  readonly bucket: Bucket;
  readonly name: string;
  readonly resource: ObjectResource;
  readonly ifGenerationMatch: string | null;
  readonly chunks: Buffer[];
  received: number;
  finished?: StoredObject;
}

export type SessionAnswer = { readonly received: number } | { readonly object: StoredObject };

/** Uploads in progress. */
export class Sessions {
  readonly #sessions = new Map<string, Session>();

  /** Opens a session and returns its id. */
  open(bucket: Bucket, name: string, resource: ObjectResource, ifGenerationMatch: string | null): string {
    bucket.checkGeneration(name, ifGenerationMatch);
    const id = randomUUID();
    this.#sessions.set(id, { bucket, name, resource, ifGenerationMatch, chunks: [], received: 0 });
    return id;
  }

  cancel(id: string): void {
    this.#get(id);
    this.#sessions.delete(id);
  }

  /** A chunk, or a question for what has arrived (`bytes *`). */
  write(id: string, body: Buffer, headers: IncomingHttpHeaders): SessionAnswer {
    const session = this.#get(id);
    if (session.finished !== undefined) return { object: session.finished };
    const range = headers['content-range'] ?? `bytes 0-${body.length - 1}/${body.length}`;
    const parsed = /^bytes (?:\*|(\d+)-(\d+))\/(?:\*|(\d+))$/.exec(range);
    if (parsed === null) throw new ProtocolError(400, 'invalid', `Failed to parse Content-Range header: ${range}`);
    const total = parsed[3] === undefined ? undefined : Number(parsed[3]);
    if (parsed[1] !== undefined) this.#append(session, Number(parsed[1]), body, total);
    if (total === undefined || session.received < total) return { received: session.received };
    session.bucket.checkGeneration(session.name, session.ifGenerationMatch);
    const resource = { ...session.resource, ...hashesOf(headers['x-goog-hash']) };
    session.finished = session.bucket.put(session.name, Buffer.concat(session.chunks), resource);
    session.chunks.length = 0;
    return { object: session.finished };
  }

  #append(session: Session, start: number, body: Buffer, total: number | undefined): void {
    if (start > session.received) throw new ProtocolError(503, 'backendError', 'chunk leaves a gap');
    if (total === undefined && body.length % (256 * 1024) !== 0) {
      throw new ProtocolError(400, 'invalid', 'chunks other than the last must be multiples of 256 KiB');
    }
    const fresh = body.subarray(session.received - start);
    session.chunks.push(Buffer.from(fresh));
    session.received += fresh.length;
  }

  #get(id: string): Session {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new ProtocolError(404, 'notFound', 'no such upload');
    return session;
  }
}

function hashesOf(header: string | string[] | undefined): Pick<ObjectResource, 'md5Hash' | 'crc32c'> {
  const text = Array.isArray(header) ? header.join(',') : (header ?? '');
  const md5Hash = /md5=([^,]+)/.exec(text)?.[1];
  const crc32c = /crc32c=([^,]+)/.exec(text)?.[1];
  return { ...(md5Hash === undefined ? {} : { md5Hash }), ...(crc32c === undefined ? {} : { crc32c }) };
}
