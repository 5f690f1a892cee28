/** JSON Schemas of the tools, made from the verbs' zod schemas and kept small. */

import { z } from 'zod';
import type { ToolCard } from './card.ts';

export type JSONSchema = Readonly<Record<string, unknown>>;

/** The verb's input without what this door does not offer or only tolerates. */
export function toolInputSchema(schema: z.ZodType, card: ToolCard): JSONSchema {
  const json = withoutNoise(convert(schema, 'input'), ['minLength', 'maxLength', 'default']) as JSONSchema;
  return prune(json, [...(card.withoutInput ?? []), ...(card.hiddenInput ?? [])]);
}

/** The verb's output, two levels deep, with the fields that the presenter adds. */
export function toolOutputSchema(schema: z.ZodType, card: ToolCard): JSONSchema {
  const json = prune(convert(schema, 'output'), card.withoutOutput ?? []);
  const required = requiredOf(json);
  const shallow = Object.entries(propertiesOf(json)).map(([name, value]) => [name, outline(value as JSONSchema, required.includes(name))]);
  const properties = { summary: { type: 'string' }, ...Object.fromEntries(shallow), warnings: OBJECTS, next: OBJECTS };
  return { type: 'object', properties, required: ['summary', ...required] };
}

const OBJECTS: JSONSchema = { type: 'array', items: { type: 'object' } };

/**
 * Types only, and only what is always there: what a reader of a result needs. The rest of an answer explains itself when it
 * comes, and objects stay open, so that an added field breaks no client.
 */
function outline(node: JSONSchema, spelledOut: boolean): JSONSchema {
  if (node.type === 'array') return { type: 'array', items: outline((node.items ?? {}) as JSONSchema, spelledOut) };
  if (node.type !== 'object' || !spelledOut) return { type: node.type };
  const inner = requiredOf(node).map((name) => [name, outline(propertiesOf(node)[name] as JSONSchema, false)]);
  return { type: 'object', properties: Object.fromEntries(inner) };
}

function convert(schema: z.ZodType, io: 'input' | 'output'): JSONSchema {
  const { $schema: _, ...json } = z.toJSONSchema(schema, { target: 'draft-2020-12', io, unrepresentable: 'any', reused: 'inline' });
  return json;
}

/** Drops keywords that cost characters and help nobody to fill in an argument. */
function withoutNoise(node: unknown, noise: readonly string[]): unknown {
  if (Array.isArray(node)) return node.map((item) => withoutNoise(item, noise));
  if (typeof node !== 'object' || node === null) return node;
  const kept = Object.entries(node).filter(
    ([key, value]) => !noise.includes(key) && !(key === 'maximum' && value === Number.MAX_SAFE_INTEGER),
  );
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutNoise(value, noise)]));
}

/** Removes properties; `a.b` removes b of object a. */
function prune(json: JSONSchema, fields: readonly string[]): JSONSchema {
  let pruned = json;
  for (const field of fields) {
    const [first = '', ...rest] = field.split('.');
    const { [first]: inner, ...others } = propertiesOf(pruned);
    if (inner === undefined) continue;
    const properties = rest.length === 0 ? others : { ...propertiesOf(pruned), [first]: prune(inner as JSONSchema, [rest.join('.')]) };
    const required = requiredOf(pruned).filter((name) => name in properties);
    pruned = { ...pruned, properties, ...(required.length > 0 ? { required } : {}) };
  }
  return pruned;
}

const propertiesOf = (json: JSONSchema): Readonly<Record<string, unknown>> => (json.properties ?? {}) as Record<string, unknown>;

const requiredOf = (json: JSONSchema): readonly string[] => (json.required ?? []) as string[];
