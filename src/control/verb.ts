/**
 * What a verb is. Every door (CLI, control socket, MCP) calls verbs and decides nothing itself.
 *
 * Field names of inputs and outputs are snake_case and the same in every door.
 */

import type { z } from 'zod';
import type { Caller, Effect, Scope } from './caller.ts';
import type { Progress } from './progress.ts';
import type { World } from './world.ts';

/** What a person is asked before something is carried out; every word comes from the plan, none from the call. */
export interface ConfirmQuestion {
  readonly planId: string;
  /** Whole sentences, one per line. */
  readonly message: string;
  /** The word on the button that agrees, such as `restore`. */
  readonly action: string;
}

/** `unavailable`: this client cannot ask a person. */
export type ConfirmAnswer = 'accepted' | 'declined' | 'dismissed' | 'unavailable';

export interface CallContext {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly progress?: (progress: Progress) => void;
  /** Asks the person behind this call; absent where a door cannot. */
  readonly confirm?: (question: ConfirmQuestion) => Promise<ConfirmAnswer>;
  /** What `info` repeats about the session. */
  readonly session?: { readonly protocol?: string; readonly toolsets?: readonly string[] };
}

export interface Verb<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly input: I;
  readonly output: O;
  readonly effect: Effect;
  readonly scope: Scope;
  /** Open to every reader, also in read-only mode: the verb itself refuses the part that acts (plans, a caller's own jobs). */
  readonly selfGated?: true;
  run(world: World, input: z.output<I>, call: CallContext): Promise<z.output<O>>;
}

/** Keeps the schemas' types without naming them twice. */
export function defineVerb<I extends z.ZodType, O extends z.ZodType>(verb: Verb<I, O>): Verb<I, O> {
  return verb;
}
