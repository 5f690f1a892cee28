/** Reads one mapping of the file by its table of keys: typed values with their places, findings for everything else. */

import { registerSecret } from '../base/redact.ts';
import { closest } from './closest.ts';
import type { ConfigNode, ListNode, MapNode, ScalarNode } from './document.ts';
import type { Findings, Place } from './findings.ts';
import { type Parsed, parseBool, parseBytes, parseDurationText, parseInteger } from './scalars.ts';
import type { KeySpec, Kind, SectionSpec } from './schema.ts';

export interface Placed<T> {
  readonly value: T;
  readonly at: Place;
  /** The text came from the environment. */
  readonly expanded: boolean;
  /** It holds `$(date +FORMAT)`. */
  readonly dated: boolean;
}

interface KindValues {
  bool: boolean;
  int: number;
  duration: number;
  bytes: number;
  string: string;
  path: string;
  strings: readonly string[];
  texts: readonly string[];
  section: MapNode;
  sections: readonly MapNode[];
  any: ConfigNode;
}

type SpecValue<S extends KeySpec> = S extends { kind: 'string'; words: readonly (infer W)[] } ? W : KindValues[S['kind']];

/** What was written and is in effect; keys that are unset, misspelt or of a wrong form are absent. */
export type Values<S extends SectionSpec> = { readonly [N in keyof S]?: Placed<SpecValue<S[N]>> };

export function readSection<S extends SectionSpec>(node: MapNode, spec: S, findings: Findings): Values<S> {
  const values: Record<string, Placed<unknown>> = {};
  for (const [name, child] of node.entries) {
    const key = Object.hasOwn(spec, name) ? spec[name] : undefined;
    if (key === undefined) {
      const near = closest(name, Object.keys(spec));
      findings.warning(node.keys.get(name) ?? child.at, `unknown key${near === undefined ? '' : `, did you mean "${near}"?`}`);
      continue;
    }
    if (key.state === 'retired') findings.warning(child.at, `this key has no effect any more; ${key.doc}`);
    if (key.state === 'later' && child.kind !== 'null')
      findings.warning(child.at, `not in effect in this version (${key.doc.replace(/\.$/, '')})`);
    if (key.state !== undefined || child.kind === 'null') continue;
    if (key.secret === true && child.kind === 'scalar') registerSecret(child.text);
    const value = readValue(child, key, findings);
    if (value !== undefined)
      values[name] = { value, at: child.at, expanded: false, dated: false, ...(child.kind === 'scalar' ? marks(child) : {}) };
  }
  return values as Values<S>;
}

const marks = ({ expanded, dated }: ScalarNode) => ({ expanded, dated });

const READERS: Readonly<Record<Exclude<Kind, 'strings' | 'texts' | 'section' | 'sections' | 'any'>, (text: string) => Parsed<unknown>>> = {
  bool: parseBool,
  int: parseInteger,
  duration: parseDurationText,
  bytes: parseBytes,
  string: (text) => ({ value: text }),
  path: (text) => ({ value: text }),
};

function readValue(node: ConfigNode, spec: KeySpec, findings: Findings): unknown {
  const { kind } = spec;
  if (kind === 'any') return node;
  if (kind === 'section') return node.kind === 'map' ? node : wrongForm(node, 'a mapping', findings);
  if (kind === 'sections') return node.kind === 'list' ? sections(node, findings) : wrongForm(node, 'a list', findings);
  if (kind === 'texts' && node.kind === 'scalar') return [node.text];
  if (kind === 'strings' || kind === 'texts')
    return node.kind === 'list' ? strings(node, spec, findings) : wrongForm(node, 'a list', findings);
  if (node.kind !== 'scalar') return wrongForm(node, 'a single value', findings);
  if (node.dated && spec.dated !== true) {
    findings.error(
      node.at,
      `"${spec.secret === true ? '…' : node.text}": a date may only stand in path and url of a replica; write $$( for the text itself`,
    );
    return undefined;
  }
  const read = READERS[kind](node.text);
  if ('problem' in read) {
    findings.error(node.at, `${quoted(node, spec)} ${read.problem}`);
    return undefined;
  }
  if (read.warning !== undefined) findings.warning(node.at, read.warning);
  return inRange(read.value, spec, node, findings) ? read.value : undefined;
}

/** A value that stands alone, such as a variable or a parameter of a URL. */
export function parseText(text: string, spec: KeySpec): Parsed<unknown> {
  const { kind } = spec;
  if (kind === 'texts' || kind === 'strings') return { value: text.split(',') };
  if (kind === 'any' || kind === 'section' || kind === 'sections') return { problem: 'cannot stand here' };
  const read = READERS[kind](text);
  if ('problem' in read) return read;
  const problem = rangeProblem(read.value, spec);
  return problem === undefined ? read : { problem };
}

function inRange(value: unknown, spec: KeySpec, node: ScalarNode, findings: Findings): boolean {
  const problem = rangeProblem(value, spec);
  if (problem !== undefined) findings.error(node.at, `${quoted(node, spec)} ${problem}`);
  return problem === undefined;
}

/** Completes the sentence `"TEXT" …`. */
function rangeProblem(value: unknown, { least, words }: KeySpec): string | undefined {
  if (words !== undefined && !words.includes(String(value))) return `is not one of ${words.join(', ')}`;
  if (least === undefined || typeof value !== 'number') return undefined;
  if (value > least.value || (value === least.value && least.exclusive !== true)) return undefined;
  return `must be ${least.exclusive === true ? 'greater than' : 'at least'} ${least.value}`;
}

/** Text that is a secret, or came from the environment and may be one, is not repeated. */
const quoted = (node: ScalarNode, { secret }: KeySpec): string => `"${node.expanded || secret === true ? '…' : node.text}"`;

function sections(node: ListNode, findings: Findings): readonly MapNode[] {
  return node.items.flatMap((item) => {
    if (item.kind === 'map') return [item];
    wrongForm(item, 'a mapping', findings);
    return [];
  });
}

function strings(node: ListNode, spec: KeySpec, findings: Findings): readonly string[] {
  return node.items.flatMap((item) => {
    if (item.kind === 'scalar') return inRange(item.text, spec, item, findings) ? [item.text] : [];
    wrongForm(item, 'text', findings);
    return [];
  });
}

function wrongForm(node: ConfigNode, wanted: string, findings: Findings): undefined {
  const found = { null: 'empty', scalar: 'a single value', list: 'a list', map: 'a mapping' }[node.kind];
  findings.error(node.at, `this must be ${wanted}, but is ${found}`);
  return undefined;
}
