/** Walks JSON values: what leaves this room is redacted and made visible in one place. */

import { redact } from '../base/redact.ts';
import { revealHidden } from './untrusted.ts';

/** `text` without secrets and without characters that a person would not see. */
export const tidy = (text: string): string => redact(revealHidden(text));

/** A copy with `change` applied to every string, keys included; a stray bigint becomes 16 hex digits. */
export function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (typeof value === 'bigint') return value.toString(16).padStart(16, '0');
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [change(key), mapStrings(item, change)]));
}
