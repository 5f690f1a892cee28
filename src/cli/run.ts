/** Finds the command, runs it, and turns what it throws into one message and an exit status. */

import { ERROR_CODES, EXIT, errorToData, LitestreamError } from '../base/errors.ts';

import type { Command, Door } from './door.ts';
import { createLazyDoor, type Stdio } from './lazy-door.ts';
import { type CommandName, SUMMARIES } from './summaries.ts';

const HELP_WORDS = new Set(['help', '-h', '-help', '--help']);

/** Runs one command line; resolves with the exit status of decision 21 and never rejects. */
export async function runCommandLine(args: readonly string[], env: Door['env'], stdio: Stdio, load: () => Promise<Door>): Promise<number> {
  return runWith(args, createLazyDoor(env, stdio, load));
}

/** The same with a door that is there already. */
export async function runWith(args: readonly string[], door: Door): Promise<number> {
  try {
    return await dispatch(args, door);
  } catch (error) {
    const { printError } = await import('./print-error.ts');
    printError(error, door.stderr, wantsJSON(args));
    return ERROR_CODES[errorToData(error).code].exit;
  }
}

async function dispatch(args: readonly string[], door: Door): Promise<number> {
  const [word, ...rest] = args;
  if (word === undefined) {
    door.stdout.write(overview());
    return EXIT.usage;
  }
  if (HELP_WORDS.has(word)) {
    const [topic] = rest;
    door.stdout.write(topic === undefined || topic.startsWith('-') ? overview() : (await find(topic)).usage);
    return EXIT.ok;
  }
  if (word.startsWith('-')) throw new LitestreamError('USAGE', `${word} stands where a command is expected`, { hint: 'litestream help' });
  const command = await find(word);
  return command.run(rest, door);
}

async function find(name: string): Promise<Command> {
  if (isCommandName(name)) {
    const { COMMANDS } = await import('./commands.ts');
    return COMMANDS[name]();
  }
  const { closest } = await import('../config/closest.ts');
  const near = closest(name, Object.keys(SUMMARIES));
  throw new LitestreamError('USAGE', `there is no command "${name}"`, {
    hint: near === undefined ? 'litestream help' : `litestream ${near}`,
  });
}

const isCommandName = (word: string): word is CommandName => Object.hasOwn(SUMMARIES, word);

function overview(): string {
  const lines = Object.entries(SUMMARIES).map(([name, summary]) => `  ${name.padEnd(13)}${summary}\n`);
  return `litestream replicates SQLite databases continuously and restores any moment.

Usage: litestream COMMAND [FLAGS] [ARGUMENTS]

Commands:
${lines.join('')}
Flags go before arguments. "litestream help COMMAND" explains a command.
`;
}

const wantsJSON = (args: readonly string[]): boolean => args.some((arg) => /^--?json(=(1|t|T|true|TRUE|True))?$/.test(arg));
