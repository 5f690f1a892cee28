/** Builds a command from its flags and its work, so that `-h` and flag errors are the same everywhere. */

import { LitestreamError } from '../base/errors.ts';
import type { Command, Door } from './door.ts';
import { type FlagSpecs, type ParsedFlags, parseFlags } from './flags.ts';
import { type CommandName, SUMMARIES } from './summaries.ts';

interface CommandSpec<S extends FlagSpecs> {
  readonly name: CommandName;
  readonly usage: string;
  readonly flags: S;
  run(flags: ParsedFlags<S>, door: Door): Promise<number>;
}

export function defineCommand<const S extends FlagSpecs>({ name, usage, flags, run }: CommandSpec<S>): Command {
  return {
    name,
    summary: SUMMARIES[name],
    usage,
    run: async (args, door) => {
      const parsed = parseFlags(args, flags);
      if (!parsed.help) return run(parsed, door);
      door.stdout.write(usage);
      return 0;
    },
  };
}

/** Throws USAGE when anything follows that the command has no use for. */
export function refuseArguments(positionals: readonly string[], command: string): void {
  if (positionals.length > 0)
    throw new LitestreamError('USAGE', `too many arguments: ${positionals.join(' ')}`, { hint: `litestream help ${command}` });
}

/** The value when it is one of `words`. Throws USAGE otherwise. */
export function wordFlag<W extends string>(name: string, value: string | undefined, words: readonly W[]): W | undefined {
  if (value === undefined) return undefined;
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw new LitestreamError('USAGE', `-${name} is one of ${words.join(', ')}, not "${value}"`);
  return word;
}
