/** Reads age identities: inline keys, or files that hold them. What is read here is never logged or shown. */

import { readFileSync } from 'node:fs';
import { LitestreamError } from '../../base/errors.ts';
import { registerSecret } from '../../base/redact.ts';

const KEY = /^AGE-SECRET-KEY-/i;

/** True for an identity itself, false for the path of a file. */
const isInlineIdentity = (entry: string): boolean => KEY.test(entry.trim());

/**
 * The `AGE-SECRET-KEY-…` lines of `entries`, in their order; blank lines and lines that begin with `#` in files are skipped. Every key
 * is registered to be blanked from all output of this thread. CONFIG_INVALID for a file that cannot be read, and for one without a key.
 */
export function readIdentities(entries: readonly string[]): string[] {
  const keys = entries.flatMap((entry) => (isInlineIdentity(entry) ? [entry.trim()] : fromFile(entry)));
  for (const key of keys) registerSecret(key);
  return keys;
}

function fromFile(path: string): string[] {
  const keys = readLines(path).filter((line) => line !== '' && !line.startsWith('#'));
  const other = keys.findIndex((line) => !KEY.test(line));
  if (keys.length > 0 && other === -1) return keys;
  const what = keys.length === 0 ? 'it holds no identity' : `line ${other + 1} of its identities is of a kind that is not supported`;
  throw new LitestreamError('CONFIG_INVALID', `reading age identities from ${path}: ${what}`, {
    hint: 'A file of identities has one AGE-SECRET-KEY-… on each line, as age-keygen writes it.',
  });
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .map((line) => line.trim());
  } catch (error) {
    throw new LitestreamError('CONFIG_INVALID', `reading age identities from ${path}: the file cannot be read`, {
      cause: error,
      hint: 'Check path and mode of the file named in age.identities.',
    });
  }
}
