/** Takes secrets out of text that leaves the process: logs, errors, answers of every door. */

import type { ErrorData } from './errors.ts';

const MARK = '[redacted]';
/** Shorter values would blank out ordinary words. */
const SHORTEST = 6;

const registered = new Set<string>();
let ordered: readonly string[] = [];

/** From now on `value` is blanked wherever it appears, also percent-encoded. Values under 6 characters are ignored. */
export function registerSecret(value: string): void {
  for (const form of [value, encodeURIComponent(value)]) if (form.length >= SHORTEST) registered.add(form);
  // Longest first, so that a secret that contains another goes as a whole.
  ordered = [...registered].sort((a, b) => b.length - a.length);
}

/** For tests and for reloaded configuration. */
export function forgetSecrets(): void {
  registered.clear();
  ordered = [];
}

/** Query parameters whose value is a secret by its name. */
const SECRET_PARAMETER =
  /([?&;](?:[\w.-]*(?:secret|token|password|passwd|pwd|signature|credential|api[-_]?key|access[-_]?key(?:[-_]?id)?|account[-_]?key|private[-_]?key|sas)[\w.-]*|sig|auth)=)[^&;#\s"'<>]+/gi;

const RULES: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]{1,64}-----[\s\S]*?(?:-----END [A-Z0-9 ]{1,64}-----|$)/g, MARK],
  [/\bAGE-(?:PLUGIN-[A-Z0-9-]{1,64}|SECRET-KEY)-[A-Z0-9]+/gi, MARK],
  [/\blsm_[A-Za-z0-9_-]{8,}/g, MARK],
  [/\b(?:AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA)[A-Z0-9]{12,124}\b/g, MARK],
  [/\bLTAI[A-Za-z0-9]{12,20}\b/g, MARK],
  [/\bAIza[A-Za-z0-9_-]{30,}/g, MARK],
  [/\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}(?:\.[A-Za-z0-9_-]*)?/g, MARK],
  [
    /\b((?:proxy-)?authorization["']?\s*[:=]\s*["']?)(?:(?:basic|bearer|digest|negotiate|token|aws4-hmac-sha256)\s+)?[^\s"',;]+(?:,\s*(?:credential|signedheaders|signature)=[^\s,"']+)*/gi,
    `$1${MARK}`,
  ],
  [/\b(bearer|basic)(\s+)[A-Za-z0-9+/=._~-]{8,}/gi, `$1$2${MARK}`],
  [
    /\b((?:aws[-_]?)?(?:secret[-_]?access[-_]?key|session[-_]?token|account[-_]?key|secret[-_]?key)["']?\s*[:=]\s*["']?)[^\s"',;&]+/gi,
    `$1${MARK}`,
  ],
  [/\b((?:password|passwd|passphrase)["']?\s*[:=]\s*["']?)[^\s"',;&]+/gi, `$1${MARK}`],
  // User info up to the last @ before the path: passwords may hold one themselves.
  [/\b([a-z][a-z0-9+.-]{0,31}:\/\/)[^\s/?#"'<>]*@/gi, `$1${MARK}@`],
  [SECRET_PARAMETER, `$1${MARK}`],
];

/** `text` without anything that is, or looks like, a secret. */
export function redact(text: string): string {
  let clean = text;
  for (const value of ordered) if (clean.includes(value)) clean = clean.split(value).join(MARK);
  for (const [pattern, replacement] of RULES) clean = clean.replace(pattern, replacement);
  return clean;
}

/** A copy of plain data with every string redacted, keys included. Depth is bounded by the caller: data of ours is shallow. */
export function redactDeep(value: unknown): unknown {
  if (typeof value === 'string') return redact(value);
  if (Array.isArray(value)) return value.map(redactDeep);
  if (value === null || typeof value !== 'object') return value;
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    Object.defineProperty(copy, redact(key), { value: redactDeep(item), enumerable: true, writable: true, configurable: true });
  }
  return copy;
}

/** Error data fit to leave a door: redacted, the cause cut to its first line of at most 200 characters. */
export function redactErrorData(data: ErrorData): ErrorData {
  return {
    code: data.code,
    message: redact(data.message),
    ...(data.hint === undefined ? {} : { hint: redact(data.hint) }),
    ...(data.details === undefined ? {} : { details: redactDeep(data.details) as Record<string, unknown> }),
    ...(data.cause === undefined ? {} : { cause: redact(data.cause).split('\n', 1).join('').slice(0, 200) }),
  };
}
