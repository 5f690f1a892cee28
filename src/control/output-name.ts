/** Which texts can name a restored file at all; pure (docs/mcp.md, A restore takes two calls). */

import path from 'node:path';
import { LitestreamError } from '../base/errors.ts';

const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,119}$/;
const EXTENSION = /\.(?:db|sqlite|sqlite3)$/;
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i;
// Matching control characters is the purpose.
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

/** OUTPUT_NOT_ALLOWED unless `text` is a plausible path of a new database file. */
export function checkOutputText(text: string): void {
  if (text === '') throw notAllowed('it is empty');
  if (text.length > 1024) throw notAllowed('it is longer than 1,024 characters');
  if (UNPRINTABLE.test(text)) throw notAllowed('it holds a control or formatting character');
  if (text.includes('\\')) throw notAllowed('it holds a backslash');
  if (/^[a-z][a-z0-9+.-]*:/i.test(text)) throw notAllowed('it is a URL or names a drive');
  const components = text.split('/');
  if (components.includes('..')) throw notAllowed('it holds ".."');
  const name = components.at(-1) ?? '';
  if (name === '' || name === '.') throw notAllowed('it names a directory');
  if (!NAME.test(name)) throw notAllowed('its name may only hold A-Z a-z 0-9 . _ - (at most 120) and must not begin with "." or "-"');
  if (DEVICE.test(name)) throw notAllowed('its name is a device on some systems');
  if (!EXTENSION.test(name)) throw notAllowed('its name must end in .db, .sqlite or .sqlite3');
}

/** A name for the state `txid` of a database; `attempt` counts from 1. */
export function suggestOutputName(database: string, txid: string, attempt: number): string {
  const stem = path
    .basename(database)
    .replace(/[^A-Za-z0-9._-]/g, '-')
    .replace(/\.(?:db|sqlite|sqlite3)$/, '')
    .replace(/^[.-]+/, '')
    .slice(0, 80);
  const name = stem === '' || DEVICE.test(stem) ? 'restored' : stem;
  return `${name}-${txid}${attempt === 1 ? '' : `-${attempt}`}.db`;
}

export function notAllowed(reason: string, valid: readonly string[] = []): LitestreamError {
  return new LitestreamError('OUTPUT_NOT_ALLOWED', `output: ${reason}`, {
    details: { argument: 'output', valid },
    hint: 'Give a new file name, such as restored.db, or a path inside an allowed restore directory.',
  });
}
