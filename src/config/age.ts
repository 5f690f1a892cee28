/** `age`: identities that open data of version 0.3; recipients are refused while nothing is encrypted. */

import { statSync } from 'node:fs';
import { registerSecret } from '../base/redact.ts';
import { Secret } from '../base/secret.ts';
import type { ConfigNode, ListNode } from './document.ts';
import type { Environment } from './expand.ts';
import type { Findings, Place } from './findings.ts';
import { absolutePath } from './paths.ts';

const KEY = /^AGE-SECRET-KEY-/i;

/** What the key says, as what a restore takes: keys, and absolute paths of files that hold them. */
export function resolveAge(
  age: { readonly value: ConfigNode; readonly at: Place } | undefined,
  env: Environment,
  findings: Findings,
): readonly Secret[] {
  const node = age?.value;
  if (age === undefined || node === undefined || node.kind === 'null') return [];
  if (node.kind !== 'map') {
    if (node.kind !== 'list' || node.items.length > 0)
      findings.error(age.at, 'age takes identities: a list of keys, or of files that hold them');
    return [];
  }
  const identities: Secret[] = [];
  for (const [key, value] of node.entries) {
    if (isEmpty(value)) continue;
    if (key === 'identities' && value.kind === 'list') identities.push(...readList(value, env, findings));
    else if (key === 'identities') findings.error(value.at, 'age.identities is a list of keys, or of files that hold them');
    // Accepting recipients without encrypting would write plain text.
    else if (key === 'recipients')
      findings.error(value.at, 'age encryption is not available in this version; nothing is replicated rather than in plain text');
    else findings.warning(node.keys.get(key) ?? value.at, `age.${key} is not a key`);
  }
  return identities;
}

const isEmpty = (node: ConfigNode): boolean => node.kind === 'null' || (node.kind === 'list' && node.items.length === 0);

function readList(list: ListNode, env: Environment, findings: Findings): Secret[] {
  return list.items.flatMap((item) => {
    if (item.kind !== 'scalar' || item.text.trim() === '') {
      findings.error(item.at, 'an identity is AGE-SECRET-KEY-… or the path of a file that holds such lines');
      return [];
    }
    const text = item.text.trim();
    if (!KEY.test(text)) return [new Secret(identityFile(text, item.at, env, findings))];
    registerSecret(text);
    return [new Secret(text)];
  });
}

function identityFile(text: string, at: Place, env: Environment, findings: Findings): string {
  const path = absolutePath(text, env);
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    findings.warning(at, 'the file of age identities is not there; encrypted data of version 0.3 cannot be restored');
  else if ((found.mode & 0o077) !== 0) findings.warning(at, 'the file of age identities can be read by others; chmod 600 it');
  return path;
}
