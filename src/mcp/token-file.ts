/** Reads the YAML list of hashed tokens; a file others can read is refused (docs/mcp.md, Who may do what). */

import { open } from 'node:fs/promises';
import { parse } from 'yaml';
import { z } from 'zod';
import { LitestreamError } from '../base/errors.ts';
import { SCOPES } from '../control/caller.ts';
import type { TokenEntry } from './token-entry.ts';

const MAX_BYTES = 1024 * 1024;

const entrySchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'use letters, digits, dot, underscore and hyphen, at most 64'),
  sha256: z.string().regex(/^[0-9a-fA-F]{64}$/, 'use the 64 hex digits of the SHA-256 of the token'),
  scopes: z.array(z.enum(SCOPES)).min(1),
  databases: z.array(z.string().min(1).max(1_024)).min(1).optional(),
  expires: z.union([z.string(), z.date()]).optional(),
  created: z.union([z.string(), z.date()]).optional(),
});

/** The text of the file. Throws CONFIG_NOT_FOUND when it is missing, CONFIG_INVALID when others may read it or it is too large. */
export async function readTokenFile(path: string): Promise<string> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code === 'ENOENT' ? 'CONFIG_NOT_FOUND' : 'CONFIG_INVALID';
    throw new LitestreamError(code, `cannot open the token file ${path}`, { cause, hint: 'Correct mcp.token-file or create the file.' });
  });
  try {
    const stat = await file.stat();
    if (process.platform !== 'win32') checkPrivate(path, stat.mode, stat.uid);
    if (!stat.isFile() || stat.size > MAX_BYTES)
      throw new LitestreamError('CONFIG_INVALID', `the token file ${path} is no small plain file`);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

function checkPrivate(path: string, mode: number, owner: number): void {
  const user = process.getuid?.();
  if ((mode & 0o077) === 0 && (user === undefined || owner === user || owner === 0)) return;
  throw new LitestreamError('CONFIG_INVALID', `the token file ${path} can be read or replaced by other users`, {
    hint: `Make it yours alone: chmod 600 ${path}`,
  });
}

/** Parses the list. Throws CONFIG_INVALID naming the entry and the field, never a value. */
export function parseTokenFile(text: string, path: string): readonly TokenEntry[] {
  const list = z.array(z.unknown()).safeParse(parseYAML(text, path) ?? []);
  if (!list.success) throw new LitestreamError('CONFIG_INVALID', `the token file ${path} is not a list`);
  const entries = list.data.map((item, index) => parseEntry(item, index, path));
  const names = new Set(entries.map((entry) => entry.name));
  if (names.size !== entries.length) throw new LitestreamError('CONFIG_INVALID', `two tokens in ${path} have the same name`);
  return entries;
}

function parseYAML(text: string, path: string): unknown {
  try {
    return parse(text);
  } catch {
    // The parser quotes the source, which may be a token that somebody pasted in the wrong place.
    throw new LitestreamError('CONFIG_INVALID', `the token file ${path} is not YAML`);
  }
}

function parseEntry(item: unknown, index: number, path: string): TokenEntry {
  const parsed = entrySchema.safeParse(item);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue?.code === 'unrecognized_keys' ? issue.keys.join(', ') : (issue?.path.join('.') ?? '');
    throw new LitestreamError('CONFIG_INVALID', `entry ${index + 1} of the token file ${path} is not valid at "${where}"`, {
      hint: 'An entry has name, sha256, scopes and optionally databases, expires and created.',
    });
  }
  const { name, sha256, scopes, databases, expires } = parsed.data;
  const at = expires === undefined ? undefined : new Date(expires).getTime();
  if (Number.isNaN(at)) throw new LitestreamError('CONFIG_INVALID', `token "${name}" in ${path} has no valid time in "expires"`);
  return {
    name,
    digest: Buffer.from(sha256, 'hex'),
    scopes,
    ...(databases === undefined ? {} : { databases }),
    ...(at === undefined ? {} : { expires: at }),
  };
}
