/**
 * Environment references inside one configuration value.
 *
 * Values are expanded after the YAML is parsed, so that a variable can never change the structure of the file. No shell is ever run.
 */

import { DateTemplate } from '../base/date-template.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ExpansionProblem {
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** The variable that is not set, where that is the problem. */
  readonly variable?: string;
}

export interface Expansion {
  readonly text: string;
  readonly problems: readonly ExpansionProblem[];
  /** `$(date +FORMAT)` is in the text, as it was written: the key decides whether a date may stand there. */
  readonly dated?: true;
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;
const SPECIAL = /^[*#@!?\-0-9]/;

/**
 * Replaces `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME:?message}`, `$PID` and `$$`.
 * An unset variable becomes nothing, as in the original, and is reported.
 */
export function expandText(source: string, env: Environment): Expansion {
  const problems: ExpansionProblem[] = [];
  const scope = { PID: String(process.pid), env, dated: false };
  const text = expandInto(source, scope, problems);
  return { text, problems, ...(scope.dated ? { dated: true } : {}) };
}

interface Scope {
  dated: boolean;
  readonly PID: string;
  readonly env: Environment;
}

function expandInto(source: string, scope: Scope, problems: ExpansionProblem[]): string {
  let out = '';
  let at = 0;
  while (at < source.length) {
    const dollar = source.indexOf('$', at);
    if (dollar < 0) return out + source.slice(at);
    out += source.slice(at, dollar);
    const [text, next] = reference(source, dollar, scope, problems);
    out += text;
    at = next;
  }
  return out;
}

/** What stands for the reference at `dollar`, and where the text goes on. */
function reference(source: string, dollar: number, scope: Scope, problems: ExpansionProblem[]): readonly [string, number] {
  const rest = source.slice(dollar + 1);
  if (rest.startsWith('$')) return ['$', dollar + 2];
  if (rest.startsWith('{')) return braced(source, dollar, scope, problems);
  const command = /^\(([^)]*)\)/.exec(rest);
  if (command) {
    if (DateTemplate.isIn(`$${command[0]}`)) scope.dated = true;
    else problems.push({ severity: 'error', message: commandMessage(command[1] ?? '') });
    return [`$${command[0]}`, dollar + 1 + command[0].length];
  }
  const name = NAME.exec(rest)?.[0];
  if (name !== undefined) return [lookUp(name, scope, problems), dollar + 1 + name.length];
  if (SPECIAL.test(rest)) {
    problems.push({ severity: 'warning', message: `"$${rest[0]}" names no variable and becomes nothing; write $$ for a dollar sign` });
    return ['', dollar + 2];
  }
  return ['$', dollar + 1];
}

function braced(source: string, dollar: number, scope: Scope, problems: ExpansionProblem[]): readonly [string, number] {
  const end = closingBrace(source, dollar + 2);
  if (end < 0) {
    problems.push({
      severity: 'warning',
      message: 'an opening "$" and brace without a closing brace is dropped; write $$ for a dollar sign',
    });
    return ['', dollar + 2];
  }
  const body = source.slice(dollar + 2, end);
  const name = NAME.exec(body)?.[0] ?? '';
  const operator = body.slice(name.length, name.length + 2);
  const operand = body.slice(name.length + 2);
  if (name !== '' && body === name) return [lookUp(name, scope, problems), end + 1];
  if (name !== '' && operator === ':-') return [lookUpQuietly(name, scope) || expandInto(operand, scope, problems), end + 1];
  if (name !== '' && operator === ':?') {
    const value = lookUpQuietly(name, scope);
    if (!value) problems.push({ severity: 'error', variable: name, message: `$${name} is not set${operand === '' ? '' : `: ${operand}`}` });
    return [value ?? '', end + 1];
  }
  problems.push({
    severity: 'warning',
    message: `"\${${body}}" is not a variable and becomes nothing; forms are \${NAME}, \${NAME:-default}, \${NAME:?message}`,
  });
  return ['', end + 1];
}

function closingBrace(source: string, from: number): number {
  let depth = 1;
  for (let at = from; at < source.length; at++) {
    if (source.startsWith('${', at)) depth++;
    else if (source[at] === '}' && --depth === 0) return at;
  }
  return -1;
}

function lookUpQuietly(name: string, { env, PID }: Scope): string | undefined {
  if (name === 'PID') return PID;
  return Object.hasOwn(env, name) ? env[name] : undefined;
}

function lookUp(name: string, scope: Scope, problems: ExpansionProblem[]): string {
  const value = lookUpQuietly(name, scope);
  if (value === undefined) problems.push({ severity: 'warning', variable: name, message: `$${name} is not set and becomes nothing` });
  return value ?? '';
}

function commandMessage(command: string): string {
  return /^\s*date\b/.test(command)
    ? `"$(${command})" is not a date as in "$(date +%Y-%m-%d)"`
    : `"$(${command})" is a shell command; commands in the configuration are never run, write $$( for the text itself`;
}
