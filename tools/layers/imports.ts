/** Finds what a TypeScript file imports, without a parser: comments, strings and regular expressions are told apart, nothing more. */

export interface Import {
  readonly specifier: string;
  /** 1-based. */
  readonly line: number;
  /** `type` imports vanish when types are stripped; `lazy` ones are `import()` and `new URL('./x.ts', …)`, which load later. */
  readonly kind: 'value' | 'type' | 'lazy';
}

const STATEMENT = /\b(?:import|export)\s+(type\s+(?!from\b))?(?:[\w$*{][\w$\s,*{}]*?\bfrom\s*)?(['"])([^'"\n]+)\2/g;
const LAZY = /(?:\bimport\s*\(|\bnew\s+URL\s*\()\s*(['"])([^'"\n]+)\1/g;

export function findImports(source: string): Import[] {
  const code = blankComments(source);
  const found: Import[] = [];
  for (const match of code.matchAll(STATEMENT)) {
    found.push({ specifier: match[3] ?? '', line: lineAt(code, match.index), kind: match[1] === undefined ? 'value' : 'type' });
  }
  for (const match of code.matchAll(LAZY)) {
    const specifier = match[2] ?? '';
    const isModule = match[0].startsWith('import') || (specifier.startsWith('.') && specifier.endsWith('.ts'));
    if (isModule) found.push({ specifier, line: lineAt(code, match.index), kind: 'lazy' });
  }
  return found.sort((a, b) => a.line - b.line);
}

const lineAt = (text: string, index: number): number => text.slice(0, index).split('\n').length;

/** The text with comments, template texts, regular expressions and all strings but module names replaced by spaces; line breaks stay. */
export function blankComments(source: string): string {
  let out = '';
  let at = 0;
  while (at < source.length) {
    const end = tokenEnd(source, at, out);
    const token = source.slice(at, end);
    out += isBlanked(token, out) ? token.replace(/[^\n]/g, ' ') : token;
    at = end;
  }
  return out;
}

function isBlanked(token: string, before: string): boolean {
  if (token.length === 1) return false;
  return token.startsWith('/') || token.startsWith('`') || !/\b(?:from|import|import\s*\(|new\s+URL\s*\()\s*$/.test(before.slice(-200));
}

/** Where the token that begins at `at` ends; `before` is the code so far. */
function tokenEnd(source: string, at: number, before: string): number {
  const char = source[at] ?? '';
  if (source.startsWith('//', at)) return endOf(source, '\n', at);
  if (source.startsWith('/*', at)) return endOf(source, '*/', at + 2) + 2;
  if (char === "'" || char === '"' || char === '`') return quotedEnd(source, at, char);
  if (char === '/' && beginsRegex(before)) return regexEnd(source, at);
  return at + 1;
}

function endOf(source: string, mark: string, from: number): number {
  const found = source.indexOf(mark, from);
  return found === -1 ? source.length : found;
}

function quotedEnd(source: string, at: number, quote: string): number {
  for (let i = at + 1; i < source.length; i++) {
    if (source[i] === '\\') i += 1;
    else if (quote === '`' && source.startsWith('${', i)) i = substitutionEnd(source, i + 2);
    else if (source[i] === quote) return i + 1;
    else if (source[i] === '\n' && quote !== '`') return i;
  }
  return source.length;
}

/** Index of the brace that closes a template's substitution. */
function substitutionEnd(source: string, from: number): number {
  let depth = 1;
  for (let i = from; i < source.length; ) {
    if (source[i] === '{') depth += 1;
    if (source[i] === '}') depth -= 1;
    if (depth === 0) return i;
    i = tokenEnd(source, i, source.slice(from, i));
  }
  return source.length;
}

/** A slash divides after a value and begins a regular expression everywhere else. */
function beginsRegex(before: string): boolean {
  const last = before.trimEnd();
  return last === '' || /[([{,;:=!&|?+\-*%<>~^}]$/.test(last) || /\b(?:return|typeof|case|in|of|do|else|void|yield|await)$/.test(last);
}

function regexEnd(source: string, at: number): number {
  let inClass = false;
  for (let i = at + 1; i < source.length; i++) {
    const char = source[i];
    if (char === '\n') return at + 1;
    if (char === '\\') i += 1;
    else if (char === '[') inClass = true;
    else if (char === ']') inClass = false;
    else if (char === '/' && !inClass) return i + 1;
  }
  return at + 1;
}
