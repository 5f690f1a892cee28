/** Writing an object: one request for a small one, a resumable session for a large one. */

import { createHash, randomUUID } from 'node:crypto';
import { LitestreamError } from '../../base/errors.ts';
import { formatTimestamp } from '../../base/timestamp.ts';
import type { ObjectInfo } from '../object-store.ts';
import { type Part, partsOf, sendPart } from '../remote/parts.ts';
import type { API } from './api.ts';
import { type Doing, foreign, refusal } from './errors.ts';
import { OBJECT_FIELDS, objectOf, TIMESTAMP } from './object.ts';
import { Session } from './session.ts';

/** Bytes of a chunk of a session, and of the largest object that is written in one request. The service wants multiples of 256 KiB. */
export const CHUNK_BYTES = 8 * 1024 * 1024;

const CONTENT_TYPE = 'application/octet-stream';

export interface Upload {
  readonly api: API;
  readonly doing: Doing;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly createdAt: number;
  /** Expected generation, `0` for none. */
  readonly ifGenerationMatch: string | undefined;
  readonly signal: AbortSignal | undefined;
}

export type Uploaded = ObjectInfo & { readonly tag: string };

/** Writes what the source delivers, holding two chunks at most. */
export async function upload(job: Upload): Promise<Uploaded> {
  const parts = partsOf(job.chunks, () => CHUNK_BYTES);
  try {
    const { value: first } = await parts.next();
    if (first === undefined) throw new Error('a body has at least one part');
    return first.last ? await inOneRequest(job, first.bytes) : await inSession(job, first, parts);
  } finally {
    await parts.return();
  }
}

/** The service compares the hash before the object appears. */
async function inOneRequest(job: Upload, bytes: Buffer): Promise<Uploaded> {
  const { api, doing, signal } = job;
  const boundary = randomUUID();
  const resource = { ...resourceOf(job), md5Hash: createHash('md5').update(bytes).digest('base64') };
  const head = `--${boundary}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(resource)}\r\n--${boundary}\r\ncontent-type: ${CONTENT_TYPE}\r\n\r\n`;
  const answer = await api.resource(
    {
      method: 'POST',
      url: addressOf(job, 'multipart'),
      headers: { 'content-type': `multipart/related; boundary=${boundary}` },
      body: [Buffer.from(head), bytes, Buffer.from(`\r\n--${boundary}--\r\n`)],
      signal,
      doing,
    },
    'storage#object',
  );
  return confirmed(answer, doing, bytes.length);
}

async function inSession(job: Upload, first: Part, rest: AsyncIterable<Part>): Promise<Uploaded> {
  const { doing, signal } = job;
  const session = await sendPart(() => begin(job), signal);
  const hash = createHash('md5');
  try {
    let offset = 0;
    const send = (part: Part) => {
      hash.update(part.bytes);
      const md5 = part.last ? hash.digest('base64') : undefined;
      return session.send(part.bytes, { offset, total: part.last ? offset + part.bytes.length : undefined, md5 }, signal);
    };
    let answer = await send(first);
    offset += first.bytes.length;
    for await (const part of rest) {
      answer = await send(part);
      offset += part.bytes.length;
    }
    if (answer === undefined) throw foreign(doing, 'the upload has no end');
    return confirmed(answer, doing, offset);
  } catch (error) {
    session.cancel();
    throw error;
  }
}

async function begin(job: Upload): Promise<Session> {
  const { api, doing, signal } = job;
  const answer = await api.send({
    method: 'POST',
    url: addressOf(job, 'resumable'),
    headers: { 'content-type': 'application/json; charset=UTF-8', 'x-upload-content-type': CONTENT_TYPE },
    body: [Buffer.from(JSON.stringify(resourceOf(job)))],
    signal,
    doing,
  });
  if (answer.status !== 200 && answer.status !== 201) throw await refusal(answer, doing);
  answer.body.resume();
  const { location } = answer.headers;
  // The session's address is its credential and takes our data: it has to be the service's own.
  if (location === undefined || !URL.canParse(location) || new URL(location).origin !== new URL(api.endpoint).origin) {
    throw foreign(doing, 'the upload was given no address of the service');
  }
  return new Session(api, location, doing);
}

const resourceOf = ({ doing, createdAt }: Upload) => ({
  name: doing.key,
  contentType: CONTENT_TYPE,
  metadata: { [TIMESTAMP]: formatTimestamp(createdAt) },
});

const addressOf = ({ api, doing, ifGenerationMatch }: Upload, uploadType: 'multipart' | 'resumable'): string =>
  api.address('/upload/storage/v1', doing.bucket, undefined, { uploadType, ifGenerationMatch, fields: OBJECT_FIELDS });

function confirmed(answer: unknown, doing: Doing, size: number): Uploaded {
  const object = objectOf(answer, doing);
  if (object.key === doing.key && object.size === size) return object;
  throw new LitestreamError(
    'RESPONSE_INVALID',
    `${doing.key} was written with ${size} bytes, but the service tells of ${object.size} in ${object.key}`,
  );
}
