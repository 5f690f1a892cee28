/** Takes secrets out of text and JSON values before they leave the process (mcp.md §13.4). */

import type { Secret } from '../base/secret.ts';

export const REDACTED = '[redacted]';

export type Redact = (text: string) => string;

const SHORTEST_SECRET = 6;

const SHAPES: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]+-----[\s\S]*?(?:-----END [A-Z0-9 ]+-----|$)/g, REDACTED],
  [/\blsm_[A-Za-z0-9_-]{8,}/g, REDACTED],
  [/\bAGE-SECRET-KEY-[A-Z0-9-]+/gi, REDACTED],
  [/\b(?:AKIA|ASIA|AROA)[A-Z0-9]{12,}\b/g, REDACTED],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*/g, REDACTED],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi, `$1 ${REDACTED}`],
  [/\b(authorization\s*[:=]\s*)[^\s,;"']+(?:\s+[^\s,;"']+)?/gi, `$1${REDACTED}`],
  [/([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@"']+@/gi, `$1${REDACTED}@`],
  [
    /([?&](?:[a-z0-9-]*(?:token|secret|password|passwd|signature|credential|api[-_]?key|access[-_]?key(?:[-_]?id)?)|sig|sas)=)[^&\s"']+/gi,
    `$1${REDACTED}`,
  ],
];

/** A redactor that also knows the configured secret values (those of at least 6 characters). */
export function createRedactor(secrets: readonly Secret[]): Redact {
  const values = [...new Set(secrets.map((secret) => secret.reveal()))].filter((value) => value.length >= SHORTEST_SECRET);
  // Longest first, so that a secret that contains another one goes as a whole.
  values.sort((a, b) => b.length - a.length);
  return (text) => {
    let clean = text;
    for (const value of values) if (clean.includes(value)) clean = clean.replaceAll(value, REDACTED);
    for (const [shape, replacement] of SHAPES) clean = clean.replace(shape, replacement);
    return clean;
  };
}

/** Applies `change` to every string in a JSON value, keys included; arrays and objects are copied, and a stray bigint becomes 16 hex digits. */
export function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (typeof value === 'bigint') return value.toString(16).padStart(16, '0');
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [change(key), mapStrings(item, change)]));
}
