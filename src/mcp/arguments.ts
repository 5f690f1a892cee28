/** The arguments of a call before the verb sees them: old names, refused names, unknown ones. */

import { LitestreamError } from '../base/errors.ts';
import type { ToolCard } from './card.ts';
import { argumentNames } from './registry.ts';

export type Arguments = Readonly<Record<string, unknown>>;

/** Parameters of the original's tools that mean nothing here, and why. */
const REFUSED: Readonly<Record<string, string>> = {
  config: 'the server has one configuration, chosen by the person who started it; no call can load another',
  parallelism: 'the server decides how much is fetched at once',
};

/** A copy without prototype of what the client sent. Throws USAGE naming the argument. */
export function checkArguments(card: ToolCard, sent: unknown): Arguments {
  if (sent === undefined || sent === null) return {};
  if (typeof sent !== 'object' || Array.isArray(sent)) throw new LitestreamError('USAGE', 'arguments is not an object');
  const known = argumentNames(card);
  const args: Record<string, unknown> = Object.create(null);
  for (const [name, value] of Object.entries(sent)) {
    if (!known.includes(name)) throw unknownArgument(card, name, known);
    // Models send null for "not given".
    if (value !== null) args[name] = value;
  }
  return args;
}

function unknownArgument(card: ToolCard, name: string, known: readonly string[]): LitestreamError {
  const reason = Object.hasOwn(REFUSED, name) ? REFUSED[name] : undefined;
  if (reason !== undefined) {
    return new LitestreamError('USAGE', `The argument "${name}" is not accepted: ${reason}.`, { hint: `Call again without "${name}".` });
  }
  const shown = known.filter((each) => card.hiddenInput?.includes(each) !== true);
  const hint = shown.length === 0 ? 'This tool takes no arguments.' : 'Use only the arguments in valid.';
  return new LitestreamError('USAGE', `${card.name} has no argument "${name.slice(0, 60)}".`, { hint, details: { valid: shown } });
}
