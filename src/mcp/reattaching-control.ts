/** A control for a client that stays for days: daemons start, stop and start again meanwhile, and a stdio server must notice. */

import { type Clock, systemClock } from '../base/clock.ts';
import { hasCode } from '../base/errors.ts';
import type { Control, VerbInput, VerbName, VerbOutput } from '../control/control.ts';
import type { CallContext } from '../control/verb.ts';

export interface ReattachOptions {
  /** The daemon's control; undefined when none runs, DAEMON_UNREACHABLE when one owns a database and is silent. */
  readonly attach: () => Promise<Control | undefined>;
  /** Verbs without a daemon; asked for once, when first needed. */
  readonly offline: () => Promise<Control>;
  readonly clock?: Clock;
}

/** While offline, a daemon is looked for at most this often. */
const LOOK_EVERY_MS = 2_000;

/** Attaches where a daemon runs, now and later. Rejects as `attach` does. */
export async function reattachingControl(options: ReattachOptions): Promise<Control> {
  const control = new ReattachingControl(options);
  await control.look();
  return control;
}

class ReattachingControl implements Control {
  readonly #options: ReattachOptions;
  readonly #clock: Clock;
  #daemon: Control | undefined;
  #offline: Promise<Control> | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(options: ReattachOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  get attached(): Control['attached'] {
    return this.#daemon === undefined ? 'offline' : 'daemon';
  }

  /** Looks for a daemon unless one is attached or it has been looked for a moment ago. */
  look(): Promise<void> {
    if (this.#looking !== undefined) return this.#looking;
    const now = this.#clock.monotonic();
    if (this.#daemon !== undefined || now - this.#lookedAt < LOOK_EVERY_MS) return Promise.resolve();
    this.#lookedAt = now;
    this.#looking = this.#attach().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #attach(): Promise<void> {
    this.#daemon = await this.#options.attach();
  }

  async call<N extends VerbName>(name: N, input: VerbInput<N>, call: CallContext): Promise<VerbOutput<N>> {
    await this.look();
    const daemon = this.#daemon;
    if (daemon === undefined) {
      // Kept open when a daemon appears: work that began here goes on.
      this.#offline ??= this.#options.offline();
      return (await this.#offline).call(name, input, call);
    }
    try {
      return await daemon.call(name, input, call);
    } catch (error) {
      if (hasCode(error, 'DAEMON_UNREACHABLE')) await this.#letGo(daemon);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#daemon?.close();
    await (await this.#offline)?.close();
  }

  /** The next call looks again, and may find another daemon or none. The failed call is not repeated: it may have been carried out. */
  async #letGo(daemon: Control): Promise<void> {
    if (this.#daemon !== daemon) return;
    this.#daemon = undefined;
    this.#lookedAt = Number.NEGATIVE_INFINITY;
    await daemon.close();
  }
}
