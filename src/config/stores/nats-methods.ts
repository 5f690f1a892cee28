/** How a NATS replica logs in: one of five methods, never two. */

import type { NATSStoreSpec } from '../../storage/spec.ts';
import { absolutePath } from '../paths.ts';
import type { Placed } from '../section.ts';
import { halfOf } from './fields.ts';
import type { StoreContext } from './kind.ts';

const METHODS = [
  ['jwt and seed', ['jwt', 'seed']],
  ['creds', ['creds']],
  ['nkey', ['nkey']],
  ['username and password', ['username', 'password']],
  ['token', ['token']],
] as const;

type MethodKey = (typeof METHODS)[number][1][number];
type MethodValues = { readonly [N in MethodKey]?: Placed<string> };

type Login = NonNullable<NATSStoreSpec['credentials']> & Pick<NATSStoreSpec, 'username' | 'credsFile'>;

/** What logs in; nothing for a server that asks for nothing. Undefined, with a finding that names both, when two methods are given. */
export function readMethod(values: MethodValues, { env, findings, at }: StoreContext): Login | undefined {
  const whole: (typeof METHODS)[number][] = [];
  for (const method of METHODS) {
    const [, keys] = method;
    const missing = keys.filter((key: MethodKey) => values[key] === undefined);
    if (missing.length === 0) whole.push(method);
    const half = keys.map((key: MethodKey) => values[key]).find((one) => one !== undefined);
    if (half !== undefined && missing.length > 0) findings.unusable(at, half.at, halfOf(missing.join(' and ')));
  }
  const [first, second] = whole;
  if (first !== undefined && second !== undefined) {
    findings.error(atOf(second[1], values), `two ways to log in, ${first[0]}, and ${second[0]}: use one of them`);
    return undefined;
  }
  if (first === undefined) return {};
  return loginOf(first[1], values, env);
}

const atOf = (keys: readonly MethodKey[], values: MethodValues) => values[keys[0] ?? 'token']?.at ?? { key: '' };

function loginOf(keys: readonly MethodKey[], values: MethodValues, env: StoreContext['env']): Login {
  const creds = values.creds?.value;
  if (keys[0] === 'creds' && creds !== undefined) return { credsFile: absolutePath(creds, env) };
  return Object.fromEntries(keys.map((key) => [key, values[key]?.value]));
}
