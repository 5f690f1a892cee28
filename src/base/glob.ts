/** Shell patterns for one file name: `*`, `?`, `[a-z]`, `[!a-z]` and a backslash before a literal; neither `**` nor braces mean anything. */

type Token = { readonly kind: 'many' } | { readonly kind: 'one'; readonly fits: (char: string) => boolean };

/** A test for file names; undefined when the pattern is not one: an open bracket, a range that runs backwards, a backslash at the end. */
export function compileGlob(pattern: string): ((name: string) => boolean) | undefined {
  const tokens: Token[] = [];
  const chars = [...pattern];
  for (let at = 0; at < chars.length; ) {
    const read = readToken(chars, at);
    if (read === undefined) return undefined;
    if (read.token.kind === 'one' || tokens.at(-1)?.kind !== 'many') tokens.push(read.token);
    at = read.next;
  }
  return (name) => matches(tokens, [...name]);
}

function readToken(chars: readonly string[], at: number): { readonly token: Token; readonly next: number } | undefined {
  const char = chars[at];
  if (char === '*') return { token: { kind: 'many' }, next: at + 1 };
  if (char === '?') return { token: { kind: 'one', fits: () => true }, next: at + 1 };
  if (char === '[') return readClass(chars, at + 1);
  const literal = char === '\\' ? chars[at + 1] : char;
  if (literal === undefined) return undefined;
  return { token: { kind: 'one', fits: (other) => other === literal }, next: at + (char === '\\' ? 2 : 1) };
}

function readClass(chars: readonly string[], start: number): { readonly token: Token; readonly next: number } | undefined {
  const negated = chars[start] === '!' || chars[start] === '^';
  const ranges: (readonly [string, string])[] = [];
  let at = negated ? start + 1 : start;
  // A bracket in the first place is a literal.
  for (const first = at; at === first || chars[at] !== ']'; ) {
    const low = literalAt(chars, at);
    if (low === undefined) return undefined;
    at = low.next;
    const isRange = chars[at] === '-' && chars[at + 1] !== ']';
    const high = isRange ? literalAt(chars, at + 1) : low;
    if (high === undefined || high.char < low.char) return undefined;
    at = high.next;
    ranges.push([low.char, high.char]);
  }
  const fits = (char: string): boolean => ranges.some(([low, high]) => low <= char && char <= high) !== negated;
  return { token: { kind: 'one', fits }, next: at + 1 };
}

function literalAt(chars: readonly string[], at: number): { readonly char: string; readonly next: number } | undefined {
  const escaped = chars[at] === '\\';
  const char = chars[escaped ? at + 1 : at];
  return char === undefined ? undefined : { char, next: at + (escaped ? 2 : 1) };
}

/** Goes back to the last `*` only, so that the time is bounded by the product of both lengths. */
function matches(tokens: readonly Token[], name: readonly string[]): boolean {
  let token = 0;
  let retry: { token: number; at: number } | undefined;
  for (let at = 0; at < name.length; ) {
    const current = tokens[token];
    const char = name[at] ?? '';
    if (current?.kind === 'many') {
      retry = { token: token + 1, at };
      token += 1;
    } else if (current?.fits(char)) {
      token += 1;
      at += 1;
    } else if (retry !== undefined) {
      retry = { token: retry.token, at: retry.at + 1 };
      ({ token, at } = retry);
    } else return false;
  }
  return tokens.slice(token).every(({ kind }) => kind === 'many');
}
