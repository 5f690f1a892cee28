/** Splits the text of `-exec` into words as a shell would, without being one. */

import { LitestreamError } from '../base/errors.ts';

const META = new Set([';', '&', '|', '<', '>', '(', ')']);

/**
 * Words of `text`: blanks separate, single and double quotes and backslash keep. Variables and wildcards are not expanded.
 * Throws USAGE for nothing at all, an unbalanced quote, and for an unquoted character that only a shell understands:
 * the original drops such text without a word.
 */
export function splitWords(text: string): readonly [string, ...string[]] {
  const words: string[] = [];
  let word: string | undefined;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] ?? '';
    if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "'" || char === '"') {
      const [inner, end] = quoted(text, at);
      word = (word ?? '') + inner;
      at = end;
    } else if (char === '\\') {
      if (at + 1 >= text.length) throw new LitestreamError('USAGE', `the command "${text}" ends with a backslash`);
      word = (word ?? '') + text[++at];
    } else {
      if (META.has(char)) throw shellOnly(text, char);
      word = (word ?? '') + char;
    }
  }
  if (word !== undefined) words.push(word);
  const [first, ...rest] = words;
  if (first === undefined || first === '') throw new LitestreamError('USAGE', 'the command to execute is empty');
  return [first, ...rest];
}

/** The text between the quotes that begin at `start`, and where the closing one stands. */
function quoted(text: string, start: number): readonly [string, number] {
  const quote = text[start];
  let inner = '';
  for (let at = start + 1; at < text.length; at++) {
    const char = text[at] ?? '';
    if (char === quote) return [inner, at];
    const next = text[at + 1] ?? '';
    if (quote === '"' && char === '\\' && '"\\$`'.includes(next) && next !== '') {
      inner += next;
      at++;
    } else {
      inner += char;
    }
  }
  throw new LitestreamError('USAGE', `the command "${text}" has a quote that is never closed`);
}

function shellOnly(text: string, char: string): LitestreamError {
  return new LitestreamError('USAGE', `the command "${text}" has an unquoted "${char}", which only a shell understands`, {
    hint: `Quote it, or run a shell: -exec "sh -c '…'"`,
  });
}
