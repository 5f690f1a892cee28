/** The collections of a WebDAV store: making them, and noticing when the root has gone. */

import { posix } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import type { DAVClient } from './client.ts';

/**
 * Once the root has been seen, its absence is CONTAINER_NOT_FOUND. Before that it is "nothing there yet" provided something above it is a
 * WebDAV collection; the first put makes it. The path of the configured URL itself is never made.
 */
export class DAVRoot {
  readonly path: string;
  readonly #client: DAVClient;
  readonly #known = new Set<string>();
  readonly #making = new Map<string, Promise<void>>();
  #isSeen = false;

  constructor(client: DAVClient, path: string) {
    this.#client = client;
    this.path = path;
  }

  /** True when the root is there, false when it has never been; throws as the class says. */
  async check(): Promise<boolean> {
    if (await this.#isCollection(this.path)) {
      this.#isSeen = true;
      return true;
    }
    if (this.#isSeen) throw gone(this.#client.url(this.path));
    for (let path = this.path; path !== this.#client.base && path !== '/'; ) {
      path = posix.dirname(path);
      if (await this.#isCollection(path)) return false;
    }
    throw new LitestreamError('CONTAINER_NOT_FOUND', `there is no WebDAV collection at ${this.#client.url(this.#client.base)}`, {
      hint: 'Check the URL of the destination: services have their files below a path of their own.',
    });
  }

  /** A directory was found. */
  seen(directory: string): void {
    this.#isSeen = true;
    this.#known.add(directory);
  }

  /** Nothing is taken for granted any more. */
  forget(): void {
    this.#known.clear();
  }

  /** Makes a directory (the root or below it) with what is above it, unless it is known to be there. */
  make(directory: string): Promise<void> {
    if (this.#known.has(directory)) return Promise.resolve();
    const running = this.#making.get(directory);
    if (running !== undefined) return running;
    const making = this.#make(directory).finally(() => this.#making.delete(directory));
    this.#making.set(directory, making);
    return making;
  }

  async #make(directory: string): Promise<void> {
    const isRoot = directory === this.path;
    if (isRoot ? await this.check() : await this.#isCollection(directory)) return this.seen(directory);
    if (isRoot) await this.#makeAbove(posix.dirname(directory));
    else await this.make(posix.dirname(directory));
    await this.#makeOne(directory);
    this.seen(directory);
  }

  /** Directories between the configured URL and the root. */
  async #makeAbove(directory: string): Promise<void> {
    if (directory === '/' || directory.length <= this.#client.base.length || (await this.#isCollection(directory))) return;
    await this.#makeAbove(posix.dirname(directory));
    await this.#makeOne(directory);
  }

  async #makeOne(directory: string): Promise<void> {
    const message = `cannot make directory ${this.#client.url(directory)}`;
    const answer = await this.#client.send('MKCOL', `${directory}/`, { message });
    if (answer.status >= 200 && answer.status < 300) return answer.discard();
    // Somebody else may have made it in the meantime.
    const error = await answer.refusal(message);
    if (!(await this.#isCollection(directory).catch(() => false))) throw error;
  }

  async #isCollection(path: string): Promise<boolean> {
    const url = this.#client.url(path);
    const found = await this.#client.look(path, { message: `cannot look at ${url}` });
    if (found === undefined) return false;
    if (found.isCollection) return true;
    throw new LitestreamError('CONTAINER_NOT_FOUND', `${url} is not a directory`, { hint: 'A file stands where a directory belongs.' });
  }
}

const gone = (url: string): LitestreamError =>
  new LitestreamError('CONTAINER_NOT_FOUND', `directory ${url} has disappeared`, { hint: 'Look at the server: is its storage mounted?' });
