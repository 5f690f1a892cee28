/**
 * What a verb is. Every door (CLI, control socket, MCP) calls verbs and decides nothing itself.
 *
 * Field names of inputs and outputs are snake_case and the same in every door.
 */

import type { z } from 'zod';
import { LitestreamError } from '../base/errors.ts';
import type { Caller, Scope } from './caller.ts';
import type { World } from './world.ts';

/** What a verb may do: read facts; use temporary space only; change running state; create or lose something people rely on. */
export type Effect = 'read' | 'scratch' | 'act' | 'destroy';

export interface Progress {
  readonly phase: string;
  readonly done: number;
  readonly total?: number;
  readonly unit: 'bytes' | 'pages' | 'files';
  /** For a person. */
  readonly message: string;
}

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

/** A verb's body before it is written. */
export function notWired(): Promise<never> {
  return Promise.reject(new LitestreamError('INTERNAL', 'this verb is not wired yet'));
}
