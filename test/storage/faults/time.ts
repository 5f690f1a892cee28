/** Time that passes faster than it does, while real sockets do their work. */

import type { FakeClock } from '../../support/fake-clock.ts';

/**
 * Lets time pass until `work` has ended: fast while the fault is waited out, then slowly enough for real requests not to look silent.
 *
 * @param fastMs time that passes fast, in ms
 */
export async function whileTimePasses<T>(clock: FakeClock, work: Promise<T>, fastMs: number): Promise<T> {
  let isOver = false;
  const end = () => {
    isOver = true;
  };
  work.then(end, end);
  const start = clock.now();
  while (!isOver) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    await clock.advance(clock.now() - start < fastMs ? 1_000 : 50);
  }
  return work;
}

/** Runs `then` when the clock has moved on by `ms`: work beside `whileTimePasses`. */
export async function onceItIs(clock: FakeClock, ms: number, then: () => void): Promise<void> {
  const start = clock.now();
  while (clock.now() - start < ms) await new Promise((resolve) => setTimeout(resolve, 5));
  then();
}

/** Time that goes on by itself until it is stopped. */
export class PassingTime {
  /** ms at every look at the real clock, of which there are up to 200 in a second. */
  step = 50;
  readonly #clock: FakeClock;
  #isStopped = false;
  readonly #running: Promise<void>;

  constructor(clock: FakeClock) {
    this.#clock = clock;
    this.#running = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await new Promise((resolve) => setTimeout(resolve, 5));
      await this.#clock.advance(this.step);
    }
  }

  /** Resolves when `ms` have passed at `step`; then it is as it was. */
  async pass(ms: number, step: number): Promise<void> {
    const before = this.step;
    const end = this.#clock.now() + ms;
    this.step = step;
    while (this.#clock.now() < end) await new Promise((resolve) => setTimeout(resolve, 5));
    this.step = before;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }
}
