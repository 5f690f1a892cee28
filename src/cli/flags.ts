/** Command-line flags by the rules of Go's `flag` package, which scripts in the field rely on. */

import { LitestreamError } from '../base/errors.ts';

export type FlagKind = 'bool' | 'string' | 'int';
export type FlagSpecs = Readonly<Record<string, FlagKind>>;

interface FlagValues {
  readonly bool: boolean;
  readonly string: string;
  readonly int: number;
}

export interface ParsedFlags<S extends FlagSpecs> {
  /** Only the flags that were given; the last repetition wins. */
  readonly values: { readonly [N in keyof S]?: FlagValues[S[N]] };
  readonly positionals: readonly string[];
  /** `-h` or `-help` was given and is not a declared flag. */
  readonly help: boolean;
}

const TRUE_WORDS = new Set(['1', 't', 'T', 'true', 'TRUE', 'True']);
const FALSE_WORDS = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False']);

/**
 * Parses flags up to the first positional, `-` or `--`. One and two dashes are the same; a boolean takes a value only with `=`;
 * every other flag takes the next word, whatever it looks like. Throws USAGE.
 */
export function parseFlags<const S extends FlagSpecs>(args: readonly string[], specs: S): ParsedFlags<S> {
  const values: Record<string, boolean | string | number> = {};
  let help = false;
  let at = 0;
  for (; at < args.length; at++) {
    const word = args[at] ?? '';
    if (word.length < 2 || !word.startsWith('-')) break;
    if (word === '--') {
      return { values: values as ParsedFlags<S>['values'], positionals: args.slice(at + 1), help };
    }
    const { name, value } = splitFlag(word);
    const kind = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (kind === undefined) {
      if (name !== 'h' && name !== 'help') throw unknownFlag(name, Object.keys(specs));
      help = true;
      continue;
    }
    if (kind !== 'bool' && value === undefined && at + 1 >= args.length) throw new LitestreamError('USAGE', `flag -${name} needs a value`);
    values[name] = flagValue(name, kind, kind === 'bool' ? value : (value ?? args[++at] ?? ''));
  }
  const positionals = args.slice(at);
  if (!help) refuseLateFlags(args.slice(0, at), positionals);
  return { values: values as ParsedFlags<S>['values'], positionals, help };
}

function splitFlag(word: string): { readonly name: string; readonly value: string | undefined } {
  const body = word.slice(word.startsWith('--') ? 2 : 1);
  if (body === '' || body.startsWith('-') || body.startsWith('=')) throw new LitestreamError('USAGE', `"${word}" is not a flag`);
  const equals = body.indexOf('=');
  return equals < 0 ? { name: body, value: undefined } : { name: body.slice(0, equals), value: body.slice(equals + 1) };
}

function flagValue(name: string, kind: FlagKind, text: string | undefined): boolean | string | number {
  if (kind === 'bool') {
    if (text === undefined || TRUE_WORDS.has(text)) return true;
    if (FALSE_WORDS.has(text)) return false;
    throw new LitestreamError('USAGE', `flag -${name} is true or false, not "${text}"`);
  }
  if (kind === 'int') return parseInteger(name, text ?? '');
  return text ?? '';
}

/** Decimal, `0x…`, `0o…`, `0b…`, octal with a leading zero, underscores between digits. */
function parseInteger(name: string, text: string): number {
  const plain = text.replace(/(?<=[0-9a-fA-F])_(?=[0-9a-fA-F])/g, '');
  const match = /^([+-]?)(0[xX][0-9a-fA-F]+|0[oO][0-7]+|0[bB][01]+|0[0-7]*|[1-9][0-9]*)$/.exec(plain);
  const digits = match?.[2];
  if (digits === undefined) throw new LitestreamError('USAGE', `flag -${name} is a whole number, not "${text}"`);
  const value = Number(/^0[0-7]+$/.test(digits) ? `0o${digits.slice(1)}` : digits);
  if (!Number.isSafeInteger(value)) throw new LitestreamError('USAGE', `flag -${name} is out of range: ${text}`);
  return match?.[1] === '-' ? -value : value;
}

function unknownFlag(name: string, known: readonly string[]): LitestreamError {
  const list = known.map((flag) => `-${flag}`).join(' ');
  return new LitestreamError('USAGE', `there is no flag -${name} here`, { hint: `The flags of this command: ${list}` });
}

/** The original answers "too many arguments"; what people need to hear is that flags come first. */
function refuseLateFlags(before: readonly string[], positionals: readonly string[]): void {
  const end = positionals.indexOf('--');
  const late = (end < 0 ? positionals : positionals.slice(0, end)).find((word) => word.length > 1 && word.startsWith('-'));
  if (late === undefined) return;
  const from = positionals.indexOf(late);
  const fixed = [...before, ...positionals.slice(from), ...positionals.slice(0, from)].map(quoteWord).join(' ');
  throw new LitestreamError('USAGE', `flag ${late} stands after "${positionals[0]}"; flags go before the other arguments`, {
    hint: `Write the arguments in this order: ${fixed}`,
  });
}

/** A word as one would type it in a shell. */
export function quoteWord(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
