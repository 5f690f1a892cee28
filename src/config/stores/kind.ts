/**
 * What a kind of store is to the configuration: its keys, its URLs, and how both become the spec of a store.
 *
 * Of each key the nearest value counts: of the replica, of its URL, of the top level, of the environment. Every key of a store may stand at top level too.
 */

import { registerSecret } from '../../base/redact.ts';
import { type StoreSpec, secretsOf } from '../../storage/spec.ts';
import type { Environment } from '../expand.ts';
import type { Findings, Place } from '../findings.ts';
import type { KeySpec, SectionSpec } from '../schema.ts';
import { type Placed, parseText, type Values } from '../section.ts';
import type { ReplicaURL } from '../store-url.ts';
import { readParameters } from './parameters.ts';

export type Scalar = string | number | boolean | readonly string[];

/** Values of keys, where a URL or a variable gives them. */
type Given<K extends SectionSpec> = { readonly [N in keyof K]?: NonNullable<Values<K>[N]>['value'] };

/** What is said about one replica, and where. */
export interface Said {
  readonly replica: Values<SectionSpec>;
  readonly top: Values<SectionSpec>;
  readonly url?: Placed<ReplicaURL>;
}

export interface StoreContext {
  readonly env: Environment;
  readonly findings: Findings;
  /** The replica. */
  readonly at: Place;
  /** Only says which replica is meant: what logs in may be missing. */
  readonly isPattern?: boolean;
}

interface StoreDefinition<K extends SectionSpec, S extends StoreSpec> {
  readonly type: S['type'];
  /** Other words for the type. */
  readonly aliases?: readonly string[];
  /** Of its URLs. */
  readonly schemes: readonly string[];
  readonly keys: K;
  /** What a URL says, its parameters apart. Throws CONFIG_INVALID. */
  partsOf(url: ReplicaURL): Given<K>;
  /** Undefined, with findings, when something is missing. */
  resolve(values: Values<K>, context: StoreContext): S | undefined;
  /** The keys that come to this spec, secrets masked. */
  describe(spec: S): readonly (readonly [keyof K & string, Scalar | undefined])[];
}

export interface StoreKind {
  readonly type: StoreSpec['type'];
  readonly names: readonly string[];
  readonly schemes: readonly string[];
  readonly keys: SectionSpec;
  resolve(said: Said, context: StoreContext): StoreSpec | undefined;
  describe(spec: StoreSpec): readonly (readonly [string, Scalar | undefined])[];
}

export function defineStore<const K extends SectionSpec, S extends StoreSpec>(definition: StoreDefinition<K, S>): StoreKind {
  const { type, aliases = [], schemes, keys } = definition;
  return {
    type,
    names: [type, ...aliases],
    schemes,
    keys,
    resolve(said, context) {
      const merged = merge(keys, said, (url) => definition.partsOf(url), context);
      // The tables decide which value has which form.
      const spec = merged === undefined ? undefined : definition.resolve(merged as Values<K>, context);
      if (spec !== undefined) for (const secret of secretsOf(spec)) registerSecret(secret);
      return spec;
    },
    describe: (spec) => definition.describe(spec as S),
  };
}

/** The nearest value of every key; undefined when two of them exclude each other. */
function merge(
  keys: SectionSpec,
  said: Said,
  partsOf: (url: ReplicaURL) => Readonly<Record<string, unknown>>,
  context: StoreContext,
): Values<SectionSpec> | undefined {
  const { findings } = context;
  const parts = said.url === undefined ? {} : placed(partsOf(said.url.value), said.url.at, keys);
  const fromURL = said.url === undefined ? parts : { ...readParameters(said.url, keys, findings), ...parts };
  const values: Record<string, Placed<unknown>> = {};
  let isClear = true;
  for (const [name, key] of Object.entries(keys)) {
    const [own, url, top] = [written(said.replica[name]), fromURL[name], written(said.top[name])];
    if (key.address === 'exclusive' && url !== undefined && own !== undefined) {
      findings.error(own.at, `${name} and url are both given; use one of them`);
      isClear = false;
    }
    if (key.address !== undefined && url !== undefined && top !== undefined && own === undefined && !isSame(top.value, url.value))
      findings.warning(top.at, `ignored for ${place(context)}, whose url says otherwise`);
    const nearest = own ?? url ?? top ?? fromEnvironment(key, context);
    if (nearest === undefined) continue;
    values[name] = nearest;
    if (nearest === url) findings.origin(`${place(context)}.${name}`, 'url');
    else if (own === undefined && top === undefined) findings.origin(`${place(context)}.${name}`, `$${nearest.at.key}`);
  }
  return isClear ? (values as Values<SectionSpec>) : undefined;
}

/** As in the original, an empty text sets nothing. */
const written = <T>(value: Placed<T> | undefined): Placed<T> | undefined =>
  value === undefined || (value.value as unknown) === '' ? undefined : value;

const isSame = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The replica under the name it has in every form of the file. */
export const place = ({ at }: StoreContext): string => at.key.replace(/^(dbs\[\d+\])\.replica$/, '$1.replicas[0]');

function placed(values: Readonly<Record<string, unknown>>, at: Place, keys: SectionSpec): Readonly<Record<string, Placed<unknown>>> {
  const entries = Object.entries(values).filter(([name, value]) => value !== undefined && name in keys);
  return Object.fromEntries(entries.map(([name, value]) => [name, { value, at, expanded: false, dated: false }]));
}

/** The first of the variables that is set, remembered as where the key's value is from. */
export function variable(context: StoreContext, key: string, names: readonly string[]): string | undefined {
  const name = names.find((one) => (context.env[one] ?? '') !== '');
  if (name === undefined) return undefined;
  context.findings.origin(`${place(context)}.${key}`, `$${name}`);
  return context.env[name];
}

function fromEnvironment(key: KeySpec, { env, findings }: StoreContext): Placed<unknown> | undefined {
  for (const variable of key.env ?? []) {
    const text = env[variable];
    if (text === undefined || text === '') continue;
    const at = { key: variable };
    const parsed = parseText(text, key);
    if ('value' in parsed) return { value: parsed.value, at, expanded: true, dated: false };
    findings.error(at, `"…" ${parsed.problem}`);
  }
  return undefined;
}
