/** `age`: for whom the files of a replica are encrypted, and with what they are opened (docs/destinations.md, Encryption). */

import { readFileSync, statSync } from 'node:fs';
import { registerSecret } from '../base/redact.ts';
import { Secret } from '../base/secret.ts';
import type { EncryptionSettings } from '../storage/spec.ts';
import { isBech32 } from './bech32.ts';
import type { ConfigNode, ListNode } from './document.ts';
import type { Environment } from './expand.ts';
import type { Findings, Place } from './findings.ts';
import { absolutePath } from './paths.ts';

const IDENTITY = /^AGE-SECRET-KEY-/i;
const RECIPIENT = /^age1/i;

/** What a key of the section holds: words of its kind, or files of such words. */
interface Kind {
  readonly key: 'identities' | 'recipients';
  readonly isInline: RegExp;
  /** Of words that can be used; others begin the same way. */
  readonly known: RegExp;
  readonly one: string;
}

const IDENTITIES: Kind = {
  key: 'identities',
  isInline: IDENTITY,
  known: /^AGE-SECRET-KEY-(PQ-)?1[0-9A-Z]+$/i,
  one: 'an identity is AGE-SECRET-KEY-… or the path of a file that holds such lines',
};

const RECIPIENTS: Kind = {
  key: 'recipients',
  isInline: RECIPIENT,
  known: /^age1[0-9a-z]+$/i,
  one: 'a recipient is age1… or the path of a file that holds such lines',
};

const NO_SSH = 'SSH keys are not supported for encryption; make an age key with age-keygen';

/** What `age` comes to. */
export interface AgeSettings {
  /** As written: keys, and absolute paths of files that hold them. For data of version 0.3, which is read when it is restored. */
  readonly identities: readonly Secret[];
  /** Absent when neither recipients nor identities are known: nothing is encrypted. */
  readonly encryption?: EncryptionSettings;
}

/** Reads the section and the files it names. */
export function resolveAge(
  age: { readonly value: ConfigNode; readonly at: Place } | undefined,
  env: Environment,
  findings: Findings,
): AgeSettings {
  const node = age?.value;
  if (age === undefined || node === undefined || node.kind === 'null') return { identities: [] };
  if (node.kind !== 'map') {
    if (node.kind !== 'list' || node.items.length > 0)
      findings.error(age.at, 'age takes identities and recipients: lists of keys, or of files that hold them');
    return { identities: [] };
  }
  const read: Record<Kind['key'], readonly Entry[]> = { identities: [], recipients: [] };
  for (const [key, value] of node.entries) {
    if (isEmpty(value)) continue;
    const kind = [IDENTITIES, RECIPIENTS].find((one) => one.key === key);
    if (kind === undefined) findings.warning(node.keys.get(key) ?? value.at, `age.${key} is not a key`);
    else if (value.kind === 'list') read[kind.key] = readList(kind, value, env, findings);
    else findings.error(value.at, `age.${key} is a list of keys, or of files that hold them`);
  }
  return settingsOf(read);
}

/** For replica URLs, which a configuration says nothing about: LITESTREAM_AGE_IDENTITY, a key or the path of a file of keys. */
export function ageOfEnvironment(env: Environment, findings: Findings): AgeSettings {
  const text = env.LITESTREAM_AGE_IDENTITY?.trim() ?? '';
  const at = { key: 'LITESTREAM_AGE_IDENTITY' };
  return settingsOf({ identities: text === '' ? [] : readEntry(IDENTITIES, text, at, env, findings), recipients: [] });
}

function settingsOf(read: Readonly<Record<Kind['key'], readonly Entry[]>>): AgeSettings {
  const recipients = read.recipients.flatMap(({ words }) => words);
  const identities = read.identities.flatMap(({ words }) => words);
  return {
    identities: read.identities.map(({ written }) => new Secret(written)),
    ...(recipients.length + identities.length === 0
      ? {}
      : { encryption: { recipients, ...(identities.length === 0 ? {} : { identities }) } }),
  };
}

/** One line of a list. */
interface Entry {
  /** The word, or the absolute path. */
  readonly written: string;
  readonly words: readonly string[];
}

const isEmpty = (node: ConfigNode): boolean => node.kind === 'null' || (node.kind === 'list' && node.items.length === 0);

function readList(kind: Kind, list: ListNode, env: Environment, findings: Findings): Entry[] {
  return list.items.flatMap((item) => {
    const text = item.kind === 'scalar' ? item.text.trim() : '';
    if (text !== '') return readEntry(kind, text, item.at, env, findings);
    findings.error(item.at, kind.one);
    return [];
  });
}

function readEntry(kind: Kind, text: string, at: Place, env: Environment, findings: Findings): Entry[] {
  if (isSecret(text)) registerSecret(text);
  const isKey = /^ssh-/.test(text) || [IDENTITIES, RECIPIENTS].some(({ isInline }) => isInline.test(text));
  if (!isKey) {
    const path = absolutePath(text, env);
    return [{ written: path, words: readFile(kind, path, at, findings) }];
  }
  const wrong = problemOf(kind, text);
  if (wrong === undefined) return [{ written: text, words: [text] }];
  findings.error(at, wrong);
  return [];
}

const isSecret = (word: string): boolean => IDENTITY.test(word);

/** Why a word is not of its kind, without quoting it; undefined for one that is. */
function problemOf({ key, known, isInline }: Kind, word: string): string | undefined {
  if (isInline.test(word))
    return known.test(word) && isBech32(word) ? undefined : `this age ${one(key)} is mistyped or cut: its checksum is wrong`;
  if (isSecret(word)) return 'a secret identity stands among the recipients; age-keygen -y prints the recipient that belongs to it';
  if (RECIPIENT.test(word)) return 'a recipient stands among the identities; identities begin with AGE-SECRET-KEY-';
  return /^ssh-|OPENSSH/.test(word) ? NO_SSH : undefined;
}

const one = (key: Kind['key']): string => (key === 'identities' ? 'identity' : 'recipient');

function readFile(kind: Kind, path: string, at: Place, findings: Findings): string[] {
  const what = `the file of age ${kind.key}`;
  const text = textOf(path);
  if (text === undefined) {
    if (kind.key === 'recipients') findings.error(at, `${what} cannot be read; nothing is replicated rather than in plain text`);
    else findings.warning(at, `${what} cannot be read; encrypted data cannot be restored, merged or verified`);
    return [];
  }
  if (kind.key === 'identities' && (modeOf(path) & 0o077) !== 0) findings.warning(at, `${what} can be read by others; chmod 600 it`);
  const words: string[] = [];
  text.split('\n').forEach((line, index) => {
    const word = line.trim();
    if (word === '' || word.startsWith('#')) return;
    if (isSecret(word)) registerSecret(word);
    const wrong = problemOf(kind, word) ?? (kind.isInline.test(word) ? undefined : `it is no ${one(kind.key)}`);
    if (wrong === undefined) words.push(word);
    else findings.error(at, `line ${index + 1} of ${what}: ${wrong}`);
  });
  if (words.length === 0) findings.error(at, `${what} holds none`);
  return words;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const modeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
