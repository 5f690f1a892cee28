/** Turns a verb's result into the answer of a tool: envelope, budget, cleaning. */

import type { NextCall, PresentContext, ToolCard } from './card.ts';
import { mapStrings, tidy } from './json-values.ts';
import { clip } from './untrusted.ts';

const MAX_SUMMARY = 240;
const MAX_NEXT = 3;

/** Highest value that `mcp.max-result-chars` may have. */
export const RESULT_CHARS_CEILING = 40_000;

export interface PresentOptions {
  /** Characters of the text channel. */
  readonly maxChars: number;
  /** True for tools this caller may use; others are not proposed. */
  readonly mayUse: (tool: string) => boolean;
}

/** A finished answer: the object and the same object as compact JSON. */
export interface Answer {
  readonly value: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** Outcome of fitting a result into the budget. `fewer`: ask the verb again with this `limit`. */
export type Fitted = { readonly answer: Answer } | { readonly fewer: number };

/** Words the result, and fits it into the budget or says how many list entries would fit. */
export function present(
  card: ToolCard,
  result: Readonly<Record<string, unknown>>,
  context: PresentContext,
  options: PresentOptions,
): Fitted {
  const whole = answerOf(card, result, context, options);
  if (whole.text.length <= options.maxChars || card.list === undefined) return { answer: whole };
  const items = listOf(result, card.list.field);
  const fits = countThatFits(items, whole.text.length, options.maxChars);
  if (card.list.paged && fits < items.length) return { fewer: fits };
  return { answer: cutAnswer(card, result, context, options, fits) };
}

function answerOf(
  card: ToolCard,
  result: Readonly<Record<string, unknown>>,
  context: PresentContext,
  options: PresentOptions,
  cut?: string,
): Answer {
  const { summary, next } = card.present(result, context);
  const { warnings, ...facts } = without(result, card.withoutOutput ?? []);
  const proposals = (next ?? []).filter((call) => options.mayUse(call.tool)).slice(0, MAX_NEXT);
  const sentence = cut === undefined ? clipSummary(summary, MAX_SUMMARY) : `${clipSummary(summary, MAX_SUMMARY - cut.length - 1)} ${cut}`;
  const value = {
    summary: sentence,
    ...facts,
    ...(Array.isArray(warnings) && warnings.length > 0 ? { warnings } : {}),
    ...(proposals.length > 0 ? { next: proposals.map(plainNext) } : {}),
  };
  const clean = mapStrings(value, tidy) as Record<string, unknown>;
  return { value: clean, text: JSON.stringify(clean) };
}

const plainNext = (call: NextCall) => ({ tool: call.tool, arguments: call.arguments, why: call.why });

/** A list that cannot be paged: what fits, and a sentence about the rest. */
function cutAnswer(
  card: ToolCard,
  result: Readonly<Record<string, unknown>>,
  context: PresentContext,
  options: PresentOptions,
  fits: number,
): Answer {
  const field = card.list?.field ?? '';
  const items = listOf(result, field);
  for (let kept = fits; ; kept = Math.floor(kept / 2)) {
    const cut = `Only ${kept} of ${items.length} ${field} fit; narrow the question.`;
    const answer = answerOf(card, { ...result, [field]: items.slice(0, kept) }, context, options, cut);
    if (answer.text.length <= options.maxChars || kept === 0) return answer;
  }
}

function countThatFits(items: readonly unknown[], length: number, maxChars: number): number {
  const sizes = items.map((item) => JSON.stringify(item).length + 1);
  let excess = length - maxChars;
  let kept = items.length;
  while (kept > 1 && excess > 0) {
    kept -= 1;
    excess -= sizes[kept] ?? 0;
  }
  // A little less than computed: escaping and the sentence about the rest take room too.
  return Math.max(1, Math.floor(kept * 0.9));
}

function listOf(result: Readonly<Record<string, unknown>>, field: string): readonly unknown[] {
  const list = result[field];
  return Array.isArray(list) ? list : [];
}

const clipSummary = (text: string, length: number): string => (text.length <= length ? text : clip(text, Math.max(0, length - 12)));

/** A copy without the fields named; `a.b` names field b of object a. */
export function without(value: Readonly<Record<string, unknown>>, fields: readonly string[]): Record<string, unknown> {
  const copy: Record<string, unknown> = { ...value };
  for (const field of fields) {
    const [first = '', ...rest] = field.split('.');
    const inner = copy[first];
    if (rest.length === 0) delete copy[first];
    else if (typeof inner === 'object' && inner !== null) copy[first] = without(inner as Record<string, unknown>, [rest.join('.')]);
  }
  return copy;
}
