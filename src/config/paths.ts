/** Paths as written, made absolute: `~`, `sqlite://`, and the working directory for relative ones. */

import { homedir } from 'node:os';
import { join, resolve, sep } from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import type { Environment } from './expand.ts';

/** Absolute form of a path; `~` and `~/…` are the home directory, anything else relative is below the working directory. */
export function absolutePath(text: string, env: Environment): string {
  if (text === '~' || text.startsWith('~/')) return join(env.HOME || homedir(), text.slice(1));
  return resolve(text);
}

/** `word://…`; single letters are left to Windows drives. */
export const isURL = (text: string): boolean => /^[A-Za-z][\w+.-]+:\/\//.test(text);

/** Absolute path of a database. Throws CONFIG_INVALID for anything that is not a file. */
export function databasePath(text: string, env: Environment): string {
  const plain = text.replace(/^sqlite3?:\/\//, '');
  if (plain === '' || plain === ':memory:' || plain.startsWith('file:')) {
    throw new LitestreamError(
      'CONFIG_INVALID',
      `"${text}" is not a database file: only a file in WAL mode can be replicated, not one in memory`,
    );
  }
  if (isURL(plain)) throw new LitestreamError('CONFIG_INVALID', `"${text}" is a URL, where the path of a database file is expected`);
  if (plain.endsWith('/'))
    throw new LitestreamError('CONFIG_INVALID', `"${text}" is a directory, where the path of a database file is expected`);
  return absolutePath(plain, env);
}

/** True when `inner` is `outer` or lies below it, by path components. */
export function isWithin(inner: string, outer: string): boolean {
  return inner === outer || inner.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}
