/** What a tool card is: everything the protocol shows of one verb, as plain data and one function that words its result. */

import type { Caller, Effect } from '../control/caller.ts';
import type { VerbInput, VerbName, VerbOutput } from '../control/control.ts';

/** Groups of tools that can be offered or left out together. */
export const TOOLSETS = ['core', 'inspect', 'prove', 'data', 'operate'] as const;
export type Toolset = (typeof TOOLSETS)[number];

/** A call that the answer leads to. */
export interface NextCall {
  readonly tool: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  readonly why: string;
}

export interface PresentContext {
  readonly caller: Caller;
  /** The arguments of this call, validated by nobody yet. */
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Presented {
  /** One sentence with the number that matters, of our own words and configured names only. */
  readonly summary: string;
  readonly next?: readonly NextCall[];
}

/** The list of a result that may be cut when it is too long. */
export interface ListField {
  readonly field: string;
  /** The verb pages: a shorter answer is asked for with a smaller `limit`, so that its cursor is right. */
  readonly paged: boolean;
}

export interface ToolCard {
  readonly name: string;
  readonly title: string;
  /** At most 600 characters: the question it answers; what to take instead; cost or side effect. */
  readonly description: string;
  readonly toolset: Toolset;
  readonly verb: VerbName;
  /** One of the six tools that cannot be switched off, only refused. */
  readonly named?: true;
  readonly idempotent: boolean;
  /** Input and output fields of the verb that are not for this door; `o.o` names a nested one. */
  readonly withoutInput?: readonly string[];
  readonly withoutOutput?: readonly string[];
  /** Accepted but not advertised. */
  readonly hiddenInput?: readonly string[];
  /** The effect of these very arguments, where a milder one than the verb's applies. */
  readonly effectOf?: (args: Readonly<Record<string, unknown>>) => Effect;
  readonly list?: ListField;
  present(result: unknown, context: PresentContext): Presented;
}

interface CardOf<N extends VerbName> extends Omit<ToolCard, 'verb' | 'name' | 'present'> {
  readonly verb: N;
  readonly present: (result: VerbOutput<N>, context: PresentContext) => Presented;
}

/** Makes a card whose wording is checked against the verb's result type. The tool is called `litestream_` and the verb's name. */
export function defineCard<N extends VerbName>(card: CardOf<N>): ToolCard {
  // The registry calls `present` with what this very verb returned.
  return { ...card, name: `litestream_${card.verb}`, present: (result, context) => card.present(result as VerbOutput<N>, context) };
}

/** Arguments of a verb as they leave this door. */
export type VerbArguments = VerbInput<VerbName>;
