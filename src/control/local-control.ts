/** Runs verbs in this process: rights, arguments, records, in this order and for every door alike. */

import { errorToData, LitestreamError } from '../base/errors.ts';
import { auditedBy, auditRefusal, isRecorded } from './audited.ts';
import type { Control, VerbInput, VerbName, VerbOutput } from './control.ts';
import { authorise } from './rights.ts';
import { parseInput } from './validation.ts';
import type { CallContext, Verb } from './verb.ts';
import { VERBS } from './verbs.ts';
import type { World } from './world.ts';

/** The control of this process. With a running service it is the daemon's; leftovers of earlier restores are swept now. */
export function createLocalControl(world: World): Control {
  return new LocalControl(world);
}

class LocalControl implements Control {
  readonly attached: 'daemon' | 'offline';
  readonly #world: World;
  readonly #aborts = new Set<AbortController>();
  readonly #running = new Set<Promise<unknown>>();
  #closed: LitestreamError | undefined;

  constructor(world: World) {
    this.#world = world;
    this.attached = world.service === undefined ? 'offline' : 'daemon';
    if (world.service !== undefined) {
      world.allowed
        .sweep()
        .catch((error: unknown) => world.log.log('warn', 'sweeping restore directories', { error: errorToData(error).message }));
    }
  }

  async call<N extends VerbName>(name: N, input: VerbInput<N>, call: CallContext): Promise<VerbOutput<N>> {
    const verb = verbOf(name);
    if (this.#closed) throw this.#closed;
    call.signal.throwIfAborted();
    const abort = new AbortController();
    const bounded = { ...call, signal: abort.signal };
    const onAbort = () => abort.abort(call.signal.reason);
    call.signal.addEventListener('abort', onAbort, { once: true });
    this.#aborts.add(abort);
    try {
      const work = this.#run(verb, input, bounded);
      this.#running.add(work);
      // The table pairs each name with its own schemas.
      return (await work.finally(() => this.#running.delete(work))) as VerbOutput<N>;
    } catch (error) {
      this.#recordRefusal(verb, input, bounded, error);
      throw error;
    } finally {
      this.#aborts.delete(abort);
      call.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Aborts what is running and resolves when it has ended and every replica opened here is released. */
  async close(): Promise<void> {
    this.#closed ??= new LitestreamError('SHUTTING_DOWN', 'the program is shutting down');
    for (const abort of this.#aborts) abort.abort(this.#closed);
    await this.#world.jobs.close();
    await Promise.allSettled(this.#running);
    await this.#world.allowed.settled();
    await this.#world.replicas.close();
  }

  async #run(verb: Verb, input: unknown, call: CallContext): Promise<unknown> {
    authorise(verb, call.caller);
    const args = parseInput(verb, input);
    // Self-gated verbs know best what of them acts, and record it themselves.
    if (!changesThings(verb) || verb.selfGated) return verb.run(this.#world, args, call);
    const finish = auditedBy(this.#world, call, { verb: verb.name, effect: verb.effect, args });
    const outcome = verb.run(this.#world, args, call);
    finish(outcome);
    return outcome;
  }

  #recordRefusal(verb: Verb, args: unknown, call: CallContext, error: unknown): void {
    if (!changesThings(verb) || isRecorded(call)) return;
    auditRefusal(this.#world, call, { verb: verb.name, effect: verb.effect, args }, errorToData(error).code);
  }
}

const changesThings = ({ effect }: Verb): boolean => effect === 'act' || effect === 'destroy';

function verbOf(name: string): Verb {
  if (!Object.hasOwn(VERBS, name)) throw new LitestreamError('USAGE', `there is nothing called "${name.slice(0, 80)}" to do`);
  return VERBS[name as VerbName] as unknown as Verb;
}
