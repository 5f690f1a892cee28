/** Every tool card in its fixed order, what a caller may see of them, and their hints and schemas. */

import { z } from 'zod';
import type { Caller, Effect } from '../control/caller.ts';
import type { Verb } from '../control/verb.ts';
import { VERBS } from '../control/verbs.ts';
import type { ToolCard } from './card.ts';
import { generations, ltx, points, snapshots } from './cards/inspect.ts';
import { databases, info, status, version } from './cards/overview.ts';
import { restore, restorePlan } from './cards/restore.ts';
import { cancel, job, verify } from './cards/work.ts';
import { type JSONSchema, toolInputSchema, toolOutputSchema } from './schemas.ts';

export const CARDS: readonly ToolCard[] = [
  info,
  databases,
  status,
  version,
  generations,
  snapshots,
  ltx,
  points,
  restorePlan,
  restore,
  verify,
  job,
  cancel,
];

export interface ToolHints {
  readonly readOnlyHint: boolean;
  readonly destructiveHint: boolean;
  readonly idempotentHint: boolean;
  readonly openWorldHint: boolean;
}

/** What tools/list says of one tool. */
export interface ToolDefinition {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputSchema: JSONSchema;
  readonly outputSchema: JSONSchema;
  readonly annotations: ToolHints;
}

export const verbOf = (card: ToolCard): Verb => VERBS[card.verb];

/** True when the caller's rights reach this tool; control refuses the others whatever is listed. */
export function mayUse(card: ToolCard, caller: Caller): boolean {
  const verb = verbOf(card);
  const scope = verb.selfGated === true ? 'read' : verb.scope;
  if (!caller.scopes.includes(scope)) return false;
  return !caller.readOnly || verb.selfGated === true || !changesThings(verb.effect);
}

/** The cards this caller is shown, in the order of the registry. */
export const visibleCards = (caller: Caller): readonly ToolCard[] => CARDS.filter((card) => mayUse(card, caller));

/** The effect the tool can have for this caller: a caller who cannot execute plans can only plan. */
function effectFor(card: ToolCard, caller: Caller): Effect {
  const { effect, scope } = verbOf(card);
  const canOnlyPlan = card.effectOf !== undefined && (caller.readOnly || !caller.scopes.includes(scope));
  return canOnlyPlan ? 'read' : effect;
}

/** Hints that are true in fact, from effect and mode. */
export function hintsFor(card: ToolCard, caller: Caller): ToolHints {
  const effect = effectFor(card, caller);
  // Outside read-only mode a verification leaves a proof record beside the replica.
  const readOnly = effect === 'read' || (effect === 'scratch' && caller.readOnly);
  return {
    readOnlyHint: readOnly,
    destructiveHint: effect === 'destroy',
    idempotentHint: card.idempotent || readOnly,
    openWorldHint: false,
  };
}

const schemas = new Map<string, { readonly input: JSONSchema; readonly output: JSONSchema }>();

/** Input and output schema of a card, made once. */
export function schemasOf(card: ToolCard): { readonly input: JSONSchema; readonly output: JSONSchema } {
  const known = schemas.get(card.name);
  if (known !== undefined) return known;
  const verb = verbOf(card);
  const made = { input: toolInputSchema(verb.input, card), output: toolOutputSchema(verb.output, card) };
  schemas.set(card.name, made);
  return made;
}

export function definitionOf(card: ToolCard, caller: Caller): ToolDefinition {
  const { input, output } = schemasOf(card);
  return {
    name: card.name,
    title: card.title,
    description: card.description,
    inputSchema: input,
    outputSchema: output,
    annotations: hintsFor(card, caller),
  };
}

const changesThings = (effect: Effect): boolean => effect === 'act' || effect === 'destroy';

/** Names of the arguments a card takes, hidden ones included. */
export function argumentNames(card: ToolCard): readonly string[] {
  const { input } = verbOf(card);
  const all = input instanceof z.ZodObject ? Object.keys(input.shape) : [];
  return all.filter((name) => card.withoutInput?.includes(name) !== true);
}
