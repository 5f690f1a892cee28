/** Checks the arguments of a call against the verb's schema and says what is wrong in words a caller can act on. */

import type { z } from 'zod';
import { LitestreamError } from '../base/errors.ts';
import type { Verb } from './verb.ts';

/** Arguments other programs know, with the reason why they are not taken here. */
const REFUSED: Readonly<Record<string, string>> = {
  config: 'the configuration is the one the program was started with',
  parallelism: 'how many reads run at once is not chosen by the caller',
  replica_url: 'only configured replicas are used; give replica, a name',
  url: 'only configured replicas are used; give replica, a name',
};

/** The parsed arguments; USAGE naming the first argument that is wrong. */
export function parseInput<I extends z.ZodType>(verb: Verb<I>, input: unknown): z.output<I> {
  const parsed = verb.input.safeParse(input ?? {});
  if (parsed.success) return parsed.data;
  throw usageError(verb.name, parsed.error.issues[0]);
}

function usageError(verb: string, issue: z.core.$ZodIssue | undefined): LitestreamError {
  if (issue?.code === 'unrecognized_keys') {
    const argument = issue.keys[0] ?? '';
    const known = Object.hasOwn(REFUSED, argument) ? REFUSED[argument] : undefined;
    return new LitestreamError('USAGE', `${clip(argument)}: ${known ?? `${verb} has no such argument`}`, {
      details: { argument: clip(argument) },
      hint: 'Leave it out.',
    });
  }
  const argument = issue === undefined || issue.path.length === 0 ? 'arguments' : issue.path.map(String).join('.');
  return new LitestreamError('USAGE', `${clip(argument)}: ${issue?.message ?? 'not understood'}`, {
    details: { argument: clip(argument) },
    hint: 'Correct this argument.',
  });
}

const clip = (text: string): string => text.slice(0, 80);
