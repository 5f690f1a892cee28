/** Paces progress notices: rising values, at most four a second, one every ten seconds. */

import type { Progress } from '../control/progress.ts';

export interface ProgressNotice {
  readonly progress: number;
  readonly total?: number;
  readonly message: string;
}

const LEAST_MS = 250;
const HEARTBEAT_MS = 10_000;
/** Small enough to mean nothing, large enough to be a rise. */
const NUDGE = 0.001;

export class ProgressPacer {
  readonly #send: (notice: ProgressNotice) => void;
  readonly #heartbeat: NodeJS.Timeout;
  #phase = '';
  /** Where this phase began on the rising scale. */
  #base = 0;
  #last = 0;
  #total: number | undefined;
  #message = 'still working';
  #sentAt = Number.NEGATIVE_INFINITY;

  /** `send` must not throw. `stop` ends the heartbeat. */
  constructor(send: (notice: ProgressNotice) => void) {
    this.#send = send;
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  report({ phase, done, total, message }: Progress): void {
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#base = this.#last;
    }
    this.#total = total === undefined ? undefined : this.#base + total;
    this.#message = message;
    const now = performance.now();
    if (now - this.#sentAt < LEAST_MS) return;
    this.#emit(this.#base + done, now);
  }

  stop(): void {
    clearInterval(this.#heartbeat);
  }

  #beat(): void {
    const now = performance.now();
    if (now - this.#sentAt >= HEARTBEAT_MS / 2) this.#emit(this.#last + NUDGE, now);
  }

  #emit(value: number, now: number): void {
    const progress = value > this.#last ? value : this.#last + NUDGE;
    this.#last = progress;
    this.#sentAt = now;
    const total = this.#total !== undefined && this.#total >= progress ? { total: this.#total } : {};
    this.#send({ progress, ...total, message: this.#message });
  }
}
