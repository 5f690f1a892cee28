/**
 * A YAML file as plain nodes that know where they stand.
 *
 * Every scalar stays source text: what it means is decided by the key it is written for (docs/configuration.md, Forms of values).
 */

import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, type Pair, parseDocument, Scalar } from 'yaml';
import { type Environment, expandText } from './expand.ts';
import type { Findings, Place } from './findings.ts';

/** What expansion left out of a value, such as a variable that is not set. */
export interface Blanks {
  /** The value as it is written. */
  readonly source: string;
  /** Whole sentences. */
  readonly messages: readonly string[];
}

export interface NullNode {
  readonly kind: 'null';
  readonly at: Place;
  readonly blanks?: Blanks;
}
export interface ScalarNode {
  readonly kind: 'scalar';
  readonly text: string;
  /** The text came wholly or partly from the environment. */
  readonly expanded: boolean;
  /** It holds `$(date +FORMAT)` as it was written. */
  readonly dated: boolean;
  readonly at: Place;
  readonly blanks?: Blanks;
}
export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly ConfigNode[];
  readonly at: Place;
}
export interface MapNode {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, ConfigNode>;
  /** Where each key itself stands; its value may begin lines later. */
  readonly keys: ReadonlyMap<string, Place>;
  readonly at: Place;
}
export type ConfigNode = NullNode | ScalarNode | ListNode | MapNode;

export interface DocumentOptions {
  /** Name used in findings. */
  readonly file: string;
  /** Absent: values are taken literally. */
  readonly env?: Environment;
  readonly findings: Findings;
}

const NULL_WORDS = new Set(['', '~', 'null', 'Null', 'NULL']);
const MAX_DEPTH = 32;
const MAX_NODES = 100_000;

/** Parses the first document of `source`. Syntax errors and duplicate keys become findings; an empty document is a null node. */
export function parseConfigDocument(source: string, options: DocumentOptions): ConfigNode {
  const lines = new LineCounter();
  const document = parseDocument(source.replace(/^\ufeff/, ''), {
    schema: 'failsafe',
    uniqueKeys: false,
    prettyErrors: false,
    lineCounter: lines,
  });
  const converter = new Converter(document, lines, options);
  for (const error of document.errors) {
    const at = converter.place(error.pos[0], '');
    if (error.code === 'MULTIPLE_DOCS') options.findings.warning(at, 'only the first document of the file is read');
    else options.findings.error(at, `this is not YAML: ${firstLine(error.message)}`);
  }
  if (document.errors.some((error) => error.code !== 'MULTIPLE_DOCS')) return { kind: 'null', at: converter.place(0, '') };
  return converter.convert(document.contents, '', 0);
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? text;

class Converter {
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #options: DocumentOptions;
  #nodes = 0;

  constructor(document: Document, lines: LineCounter, options: DocumentOptions) {
    this.#document = document;
    this.#lines = lines;
    this.#options = options;
  }

  place(offset: number, key: string): Place {
    const { line, col } = this.#lines.linePos(offset);
    return { file: this.#options.file, line: Math.max(line, 1), column: Math.max(col, 1), key };
  }

  convert(node: unknown, key: string, depth: number, fallback = 0): ConfigNode {
    const at = this.place((node as Node | null)?.range?.[0] ?? fallback, key);
    if (depth > MAX_DEPTH || ++this.#nodes > MAX_NODES) {
      this.#options.findings.error(at, 'the file is nested too deeply or repeats itself through aliases');
      return { kind: 'null', at };
    }
    if (isAlias(node)) {
      const target = node.resolve(this.#document);
      if (target === undefined) this.#options.findings.error(at, `*${node.source} refers to nothing`);
      return this.convert(target, key, depth + 1, node.range?.[0]);
    }
    if (isMap(node)) {
      const keys = new Map<string, Place>();
      return { kind: 'map', entries: this.#entries(node.items, key, depth, keys), keys, at };
    }
    if (isSeq(node)) return { kind: 'list', items: node.items.map((item, index) => this.convert(item, `${key}[${index}]`, depth + 1)), at };
    return isScalar(node) ? this.#scalar(node, at) : { kind: 'null', at };
  }

  #entries(items: readonly Pair[], key: string, depth: number, keys: Map<string, Place>): ReadonlyMap<string, ConfigNode> {
    const own = new Map<string, ConfigNode>();
    const merged = new Map<string, ConfigNode>();
    for (const { key: name, value } of items) {
      const offset = (name as Node | null)?.range?.[0] ?? 0;
      if (!isScalar(name)) {
        this.#options.findings.error(this.place(offset, key), 'a key must be plain text');
        continue;
      }
      const text = String(name.value);
      const child = key === '' ? text : `${key}.${text}`;
      if (text === '<<' && name.type === Scalar.PLAIN) {
        this.#merge(merged, this.convert(value, key, depth + 1, offset));
        continue;
      }
      if (own.has(text)) this.#options.findings.warning(this.place(offset, child), 'the key is written twice; the last one counts');
      keys.set(text, this.place(offset, child));
      own.set(text, this.convert(value, child, depth + 1, offset));
    }
    for (const [name, value] of merged) if (!own.has(name)) own.set(name, value);
    return own;
  }

  /** Earlier merge sources win over later ones. */
  #merge(into: Map<string, ConfigNode>, source: ConfigNode): void {
    if (source.kind === 'list') for (const item of source.items) this.#merge(into, item);
    else if (source.kind === 'map') for (const [name, value] of source.entries) into.set(name, into.get(name) ?? value);
    else this.#options.findings.error(source.at, '"<<" merges a mapping or a list of mappings');
  }

  #scalar(node: Scalar, at: Place): ConfigNode {
    const source = String(node.value ?? '');
    const plain = node.type === Scalar.PLAIN || node.type === undefined;
    const { env, findings } = this.#options;
    if (env === undefined || !source.includes('$'))
      return plain && NULL_WORDS.has(source) ? { kind: 'null', at } : { kind: 'scalar', text: source, expanded: false, dated: false, at };
    const { text, problems, dated = false } = expandText(source, env);
    for (const problem of problems) {
      if (problem.severity === 'error') findings.error(at, problem.message);
      else if (problem.variable === undefined) findings.warning(at, problem.message);
      else findings.warnOnce(`$${problem.variable}`, at, problem.message);
    }
    const messages = problems
      .filter(({ severity, variable }) => severity === 'warning' || variable !== undefined)
      .map(({ message }) => message);
    const blanks = messages.length === 0 ? {} : { blanks: { source, messages } };
    return plain && NULL_WORDS.has(text) ? { kind: 'null', at, ...blanks } : { kind: 'scalar', text, expanded: true, dated, at, ...blanks };
  }
}
