/** Access keys that come in two halves, from the file or from the environment, never mixed. */

import type { Placed } from '../section.ts';
import { halfOf } from './fields.ts';
import { place, type StoreContext, variable } from './kind.ts';

export interface KeyPairValues {
  readonly 'access-key-id'?: Placed<string>;
  readonly 'secret-access-key'?: Placed<string>;
  readonly 'session-token'?: Placed<string>;
}

/** Variables of each part, best first. */
export interface KeyPairVariables {
  readonly id: readonly string[];
  readonly secret: readonly string[];
  readonly token: readonly string[];
}

export interface KeyPair {
  readonly accessKeyID?: string;
  readonly secretAccessKey?: string;
  readonly sessionToken?: string;
}

/** Both halves, or nothing: then the provider's own chain decides. Half a pair is a finding. A profile wins over the environment. */
export function readKeyPair(
  {
    'access-key-id': id,
    'secret-access-key': secret,
    'session-token': token,
    profile,
  }: KeyPairValues & { readonly profile?: Placed<string> },
  context: StoreContext,
  variables: KeyPairVariables,
): KeyPair {
  const { findings } = context;
  if (id !== undefined && secret !== undefined) {
    return { accessKeyID: id.value, secretAccessKey: secret.value, ...(token === undefined ? {} : { sessionToken: token.value }) };
  }
  const half = id ?? secret;
  if (half !== undefined) findings.unusable(context.at, half.at, halfOf(id === undefined ? 'access-key-id' : 'secret-access-key'));
  else if (token !== undefined) findings.unusable(context.at, token.at, halfOf('access-key-id and secret-access-key'));
  return profile === undefined ? fromVariables(context, variables) : {};
}

function fromVariables(context: StoreContext, variables: KeyPairVariables): KeyPair {
  const { env, findings } = context;
  const isSet = (name: string) => (env[name] ?? '') !== '';
  const [id, secret] = [variables.id.find(isSet), variables.secret.find(isSet)];
  if (id === undefined && secret === undefined) return {};
  if (id === undefined || secret === undefined) {
    const [missing = ''] = id === undefined ? variables.id : variables.secret;
    findings.warnOnce(`pair ${missing}`, { key: id ?? secret ?? '' }, halfOf(missing));
    return {};
  }
  const accessKeyID = variable(context, 'access-key-id', variables.id);
  const secretAccessKey = variable(context, 'secret-access-key', variables.secret);
  // The token belongs to the variables of the provider, not to ours.
  const sessionToken = id === variables.id[0] ? variable(context, 'session-token', variables.token) : undefined;
  if (accessKeyID === undefined || secretAccessKey === undefined) throw new Error(`the variables of ${place(context)} vanished`);
  return { accessKeyID, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}
