/** A watch that rests when a directory is so busy that hearing every write would cost more than looking now and then. */

import type { Clock } from '../../base/clock.ts';
import { errorToData, LitestreamError } from '../../base/errors.ts';
import type { DirectoryWatch, OnEvent, WatchDirectory } from './watch.ts';

/** Events within WINDOW ms that make a directory busy. */
const MANY = 2000;
const WINDOW = 1000;
/** While it rests, the directory is looked through so many times, at this distance in ms. */
const LOOKS = 10;
const LOOK_INTERVAL = 1000;

/** `watch` with rests. An event without a name then stands for whatever has happened. */
export function pacedWatch(watch: WatchDirectory, clock: Clock): WatchDirectory {
  return (path, onEvent, onLost) => new PacedWatch(clock, onEvent, onLost, (hear, lost) => watch(path, hear, lost));
}

type OpenWatch = (hear: OnEvent, lost: (error: LitestreamError) => void) => DirectoryWatch;

class PacedWatch implements DirectoryWatch {
  readonly #clock: Clock;
  readonly #onEvent: OnEvent;
  readonly #onLost: (error: LitestreamError) => void;
  readonly #open: OpenWatch;
  readonly #closing = new AbortController();
  #inner: DirectoryWatch;
  #count = 0;
  #since = 0;

  constructor(clock: Clock, onEvent: OnEvent, onLost: (error: LitestreamError) => void, open: OpenWatch) {
    this.#clock = clock;
    this.#onEvent = onEvent;
    this.#onLost = onLost;
    this.#open = open;
    this.#inner = this.#begin();
  }

  close(): void {
    this.#closing.abort();
    this.#inner.close();
  }

  #begin(): DirectoryWatch {
    this.#count = 0;
    this.#since = this.#clock.monotonic();
    return this.#open((type, name) => this.#hear(type, name), this.#onLost);
  }

  #hear(type: 'rename' | 'change', name: string | null): void {
    if (this.#closing.signal.aborted) return;
    this.#onEvent(type, name);
    this.#count += 1;
    if (this.#count !== MANY) return;
    const now = this.#clock.monotonic();
    const isBusy = now - this.#since < WINDOW;
    this.#count = 0;
    this.#since = now;
    if (isBusy) this.#rest().catch((error: unknown) => this.#lose(error));
  }

  async #rest(): Promise<void> {
    this.#inner.close();
    const pause = { signal: this.#closing.signal, unref: true };
    for (let look = 0; look < LOOKS; look++) {
      await this.#clock.sleep(LOOK_INTERVAL, pause);
      this.#onEvent('rename', null);
    }
    this.#inner = this.#begin();
    this.#onEvent('rename', null);
  }

  #lose(error: unknown): void {
    if (this.#closing.signal.aborted) return;
    const { code, message, ...rest } = errorToData(error);
    this.#onLost(error instanceof LitestreamError ? error : new LitestreamError(code, message, { ...rest }));
  }
}
