/** Reads a JSON body that is not deeper than any message needs to be and has no key that reaches a prototype. */

export const MAX_BODY_BYTES = 4 * 1024 * 1024;
export const MAX_DEPTH = 32;

/** Why a body is refused, for the client. */
export class BodyError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.name = 'BodyError';
    this.code = code;
  }
}

/** Throws BodyError: not JSON, deeper than 32, or with a key `__proto__`. */
export function parseBody(text: string): unknown {
  if (depthOf(text) > MAX_DEPTH) throw new BodyError(-32_600, `The body is nested deeper than ${MAX_DEPTH}.`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new BodyError(-32_700, 'The body is not JSON.');
  }
  if (hasPrototypeKey(value)) throw new BodyError(-32_600, 'The body has a key that is not allowed.');
  return value;
}

/** Largest nesting of a JSON text, counted before parsing; brackets in strings do not count. */
function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at += 1;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth -= 1;
  }
  return deepest;
}

function hasPrototypeKey(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(hasPrototypeKey);
  if (typeof value !== 'object' || value === null) return false;
  return Object.keys(value).some((key) => key === '__proto__') || Object.values(value).some(hasPrototypeKey);
}
