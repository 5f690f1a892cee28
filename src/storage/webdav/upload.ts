/** One object put on a WebDAV server: written beside its place, measured, then moved there. */

import { posix } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import type { Leftovers, RemoveLeftover } from '../directories/leftovers.ts';
import { tempName } from '../directories/temp-name.ts';
import type { DAVAnswer, DAVClient } from './client.ts';
import type { SentBody } from './http.ts';
import type { DAVResource } from './multistatus.ts';
import type { DAVRoot } from './root.ts';

const DONE = [200, 201, 204];

/** Statuses by which a server says that it does not move files there. */
const CANNOT_MOVE = [400, 403, 405, 409, 501, 502];

export interface UploadOptions {
  readonly ifAbsent: boolean;
  /** ms since the epoch. */
  readonly createdAt: number | undefined;
  readonly now: number;
  readonly signal: AbortSignal | undefined;
}

export class Uploads {
  readonly #client: DAVClient;
  readonly #root: DAVRoot;
  readonly #leftovers: Leftovers;
  readonly #remove: RemoveLeftover;
  /** How the target of a MOVE is written: as a URL, or as a path where a proxy does not know its own URL. */
  #destination: 'url' | 'path' = 'url';
  /** The server does not know the method. */
  #movesNothing = false;
  /** Puts that must be the first of their name, one after another: some servers look and move in two steps. */
  readonly #claims = new Map<string, Promise<unknown>>();

  constructor(client: DAVClient, root: DAVRoot, leftovers: Leftovers, remove: RemoveLeftover) {
    this.#client = client;
    this.#root = root;
    this.#leftovers = leftovers;
    this.#remove = remove;
  }

  /** Puts `body` at `path`; what is there afterwards. */
  async put(path: string, body: SentBody, options: UploadOptions): Promise<DAVResource> {
    const message = `cannot write ${this.#client.url(path)}`;
    await this.#root.make(posix.dirname(path));
    if (!this.#movesNothing) {
      const moved = await this.#writeAndMove(path, body, options, message);
      if (moved !== undefined) return moved;
    }
    if (options.ifAbsent) throw new LitestreamError('NOT_SUPPORTED', `${message} only if absent: the server does not move files`);
    // Nothing better is to be had there: an interrupted write may leave a part under the final name, which its reader finds out.
    const answer = await this.#send(path, body, options, message);
    return this.#arrived(path, answer, body.size, options, message);
  }

  /** Undefined when the server does not move files. */
  async #writeAndMove(path: string, body: SentBody, options: UploadOptions, message: string): Promise<DAVResource | undefined> {
    const temp = posix.join(posix.dirname(path), tempName(posix.basename(path), options.now));
    // Without an answer, or with one of a proxy for its server, the server may still be at it after a first removal.
    let mayAppear = true;
    let isMoved = false;
    try {
      const answer = await this.#send(temp, body, options, message);
      mayAppear = answer.status >= 500;
      const written = await this.#arrived(temp, answer, body.size, options, message);
      const move = options.ifAbsent ? this.#claim : this.#replace;
      isMoved = await move.call(this, temp, path, message, options.signal);
      return isMoved ? { ...written, path } : undefined;
    } finally {
      if (!isMoved) this.#leftovers.add(temp, this.#remove, { mayAppear });
    }
  }

  /** Sends the bytes; whatever the server answers. */
  async #send(path: string, body: SentBody, options: UploadOptions, message: string): Promise<DAVAnswer> {
    const answer = await this.#put(path, body, options, message);
    if (answer.status !== 404 && answer.status !== 409) return answer;
    // A directory that was there has gone.
    answer.discard();
    this.#root.forget();
    await this.#root.make(posix.dirname(path));
    return this.#put(path, body, options, message);
  }

  /** Asks how many bytes have arrived. */
  async #arrived(path: string, answer: DAVAnswer, sent: number, { signal }: UploadOptions, message: string): Promise<DAVResource> {
    if (!DONE.includes(answer.status)) throw await refusalOf(answer, message);
    answer.discard();
    const found = await this.#client.look(path, { message, signal });
    if (found?.size === sent && !found.isCollection) return found;
    throw new LitestreamError('STORAGE_UNAVAILABLE', `${message}: the server kept ${found?.size ?? 'none'} of ${sent} bytes`, {
      hint: 'Look at the log of the server and of a proxy before it; it is tried again.',
      details: { kept: found?.size ?? null, sent },
    });
  }

  #put(path: string, body: SentBody, { createdAt, signal }: UploadOptions, message: string) {
    // Understood by Nextcloud, ownCloud and rclone, and passed over by others.
    const time: Record<string, string> = createdAt === undefined ? {} : { 'X-OC-Mtime': String(Math.max(0, Math.floor(createdAt / 1000))) };
    return this.#client.send('PUT', path, { message, headers: { 'Content-Type': 'application/octet-stream', ...time }, body, signal });
  }

  async #claim(temp: string, path: string, message: string, signal: AbortSignal | undefined): Promise<boolean> {
    const before = this.#claims.get(path) ?? Promise.resolve();
    const claiming = before.then(() => this.#move(temp, path, 'F', message, signal));
    const settled = claiming.catch(() => {}); // whoever comes next only waits
    this.#claims.set(path, settled);
    const moved = await claiming.finally(() => {
      if (this.#claims.get(path) === settled) this.#claims.delete(path);
    });
    if (moved !== 'exists') return moved === 'moved';
    throw new LitestreamError('PRECONDITION_FAILED', `${message}: it exists`, { hint: 'Another process has written this object.' });
  }

  /** Overwriting is asked for only where a file is: it would also take the place of a directory with all that is in it. */
  async #replace(temp: string, path: string, message: string, signal: AbortSignal | undefined): Promise<boolean> {
    let moved = await this.#move(temp, path, 'F', message, signal);
    if (moved === 'exists') {
      const found = await this.#client.look(path, { message, signal });
      if (found?.isCollection === true)
        throw new LitestreamError('NOT_SUPPORTED', `${message}: it is a directory`, {
          hint: 'A directory stands where the object belongs: move one of them away.',
        });
      moved = await this.#move(temp, path, 'T', message, signal);
    }
    return moved === 'moved';
  }

  async #move(
    temp: string,
    path: string,
    overwrite: 'T' | 'F',
    message: string,
    signal: AbortSignal | undefined,
  ): Promise<'moved' | 'exists' | 'refused'> {
    const url = this.#client.url(path);
    const target = this.#destination === 'url' ? url : new URL(url).pathname;
    const answer = await this.#client.send('MOVE', temp, { message, headers: { Destination: target, Overwrite: overwrite }, signal });
    // The name is ours alone: when it has gone, the first of two requests has moved it.
    if (DONE.includes(answer.status) || (answer.status === 404 && answer.isRepeated)) {
      answer.discard();
      return 'moved';
    }
    if (answer.status === 412 && overwrite === 'F') {
      answer.discard();
      return 'exists';
    }
    if (!CANNOT_MOVE.includes(answer.status)) throw await refusalOf(answer, message);
    answer.discard();
    this.#movesNothing ||= answer.status === 405 || answer.status === 501;
    if (this.#destination === 'url' && (answer.status === 502 || answer.status === 400)) {
      this.#destination = 'path';
      return this.#move(temp, path, overwrite, message, signal);
    }
    return 'refused';
  }
}

/** "Not found" is about the directory here. */
async function refusalOf(answer: DAVAnswer, message: string): Promise<LitestreamError> {
  const error = await answer.refusal(message);
  if (error.code !== 'OBJECT_NOT_FOUND') return error;
  return new LitestreamError('CONTAINER_NOT_FOUND', error.message, {
    hint: 'Its directory has disappeared.',
    ...(error.details === undefined ? {} : { details: error.details }),
  });
}
