/**
 * What a verb is. Every door (CLI, control socket, MCP) calls verbs and decides nothing itself.
 *
 * Field names of inputs and outputs are snake_case and the same in every door (mcp.md §7.1, §8).
 */

import type { z } from 'zod';
import type { Caller, Scope } from './caller.ts';
import type { World } from './world.ts';

/** What a verb may do: read facts; use temporary space only; change running state; create or lose something people rely on (mcp.md §6). */
export type Effect = 'read' | 'scratch' | 'act' | 'destroy';

export interface Progress {
  readonly phase: string;
  readonly done: number;
  readonly total?: number;
  readonly unit: 'bytes' | 'pages' | 'files';
  /** For a person. */
  readonly message: string;
}

export interface CallContext {
  readonly caller: Caller;
  readonly signal: AbortSignal;
  readonly progress?: (progress: Progress) => void;
}

export interface Verb<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  readonly name: string;
  readonly input: I;
  readonly output: O;
  readonly effect: Effect;
  readonly scope: Scope;
  run(world: World, input: z.output<I>, call: CallContext): Promise<z.output<O>>;
}

/** Keeps the schemas' types without naming them twice. */
export function defineVerb<I extends z.ZodType, O extends z.ZodType>(verb: Verb<I, O>): Verb<I, O> {
  return verb;
}
