import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { identityToRecipient } from 'age-encryption';
import { expect, onTestFinished, test } from 'vitest';
import { redact } from '../../src/base/redact.ts';
import { describeSettings } from '../../src/config/describe.ts';
import { formatFinding } from '../../src/config/findings.ts';
import { settingsForArguments, settingsFromText } from '../../src/config/load.ts';
import { publicSpec } from '../../src/storage/spec.ts';

const DB = 'dbs:\n  - path: /srv/app.db\n    replica:\n      path: /backups/app\n';
const KEY = 'AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX';

const RECIPIENT = await identityToRecipient(KEY);

const load = (age: string, env: Record<string, string> = {}) =>
  settingsFromText(`${DB}      age: ${age}\n`, 'c.yml', { expandEnv: true }, env);

function identityFile(mode: number, text = `${KEY}\n`): string {
  const directory = mkdtempSync(join(tmpdir(), 'age-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'key.txt');
  writeFileSync(path, text, { mode });
  return path;
}

test('identities are keys, or files that hold them, and print nowhere (row 82)', () => {
  const path = identityFile(0o600);
  const settings = load(`{identities: ['${KEY}', $FILE]}`, { FILE: path });
  expect(settings.findings).toEqual([]);
  const identities = settings.databases[0]?.replicas[0]?.ageIdentities ?? [];
  expect(identities.map((identity) => identity.reveal())).toEqual([KEY, path]);
  expect(settings.databases[0]?.replicas[0]?.store.encryption).toEqual({ recipients: [], identities: [KEY, KEY] });
  expect(JSON.stringify(settings.databases.map(({ replicas }) => replicas.map(({ store }) => publicSpec(store))))).not.toContain(KEY);
  expect(redact(JSON.stringify(settings))).not.toContain(KEY);
  expect(describeSettings(settings)).not.toContain(KEY);
  expect(describeSettings(settings)).toContain("identities: ['***', '***']");
  expect(redact(`the key is ${KEY}`)).not.toContain(KEY);
});

test('a file that is not there, or that others can read, is a finding', () => {
  expect(load('{identities: [/nowhere/key.txt]}').findings.map(formatFinding)).toEqual([
    expect.stringContaining('the file of age identities cannot be read'),
  ]);
  expect(load(`{identities: ['${identityFile(0o644)}']}`).findings.map(formatFinding)).toEqual([expect.stringContaining('chmod 600')]);
});

test('recipients are keys, or files with comments; a replica takes its own or those of the top level', () => {
  const path = identityFile(0o600, `# made today\n\n${RECIPIENT}\n`);
  const ours = load(`{recipients: ['${RECIPIENT}', '${path}']}`);
  expect(ours.findings).toEqual([]);
  expect(ours.databases[0]?.replicas[0]?.store.encryption).toEqual({ recipients: [RECIPIENT, RECIPIENT] });
  expect(describeSettings(ours)).toContain(`recipients: [${RECIPIENT}, ${RECIPIENT}]`);
  const top = settingsFromText(`age: {recipients: ['${RECIPIENT}']}\n${DB}`, 'c.yml', { expandEnv: true }, {});
  expect(top.databases[0]?.replicas[0]?.store.encryption).toEqual({ recipients: [RECIPIENT] });
});

test('a file that holds none, or something else, is refused', () => {
  expect(() => load(`{recipients: ['${identityFile(0o600, '# nothing\n')}']}`)).toThrow('holds none');
  expect(() => load(`{recipients: ['${identityFile(0o600, 'ssh-rsa AAAA me\n')}']}`)).toThrow(
    'line 1 of the file of age recipients: SSH keys',
  );
  expect(() => load(`{identities: ['${identityFile(0o600, '-----BEGIN OPENSSH PRIVATE KEY-----\n')}']}`)).toThrow('SSH keys');
});

test('an identity for a replica URL comes from the environment', () => {
  const path = identityFile(0o600);
  for (const text of [KEY, path]) {
    const settings = settingsForArguments(undefined, ['file:///backups/app'], { LITESTREAM_AGE_IDENTITY: text });
    expect(settings.databases[0]?.replicas[0]?.store.encryption).toEqual({ recipients: [], identities: [KEY] });
    expect(settings.databases[0]?.replicas[0]?.ageIdentities?.map((one) => one.reveal())).toEqual([text]);
  }
  expect(() => settingsForArguments(undefined, ['file:///backups/app'], { LITESTREAM_AGE_IDENTITY: KEY.slice(0, -1) })).toThrow('mistyped');
  expect(settingsForArguments(undefined, ['file:///backups/app'], {}).databases[0]?.replicas[0]?.store).not.toHaveProperty('encryption');
});

test('nothing given is nothing', () => {
  for (const age of ['', '{}', '{identities: []}', '{identities: , recipients: []}', '[]']) {
    const settings = load(age);
    expect(settings.findings, age).toEqual([]);
    expect(settings.databases[0]?.replicas[0], age).not.toHaveProperty('ageIdentities');
  }
});

test.each([
  ['a mistyped recipient', `{identities: ['${KEY}'], recipients: ['${RECIPIENT.replace('q', 'p')}']}`, 'mistyped or cut'],
  ['a mistyped identity', `{identities: ['${KEY.slice(0, -1)}']}`, 'mistyped or cut'],
  ['an identity among the recipients', `{recipients: ['${KEY}']}`, 'age-keygen -y'],
  ['a recipient among the identities', `{identities: ['${RECIPIENT}']}`, 'stands among the identities'],
  ['an SSH key', "{recipients: ['ssh-ed25519 AAAA me']}", 'SSH keys are not supported'],
  ['recipients in a file that is not there', '{recipients: [/nowhere/r.txt]}', 'nothing is replicated rather than in plain text'],
  ['a single word', 'yes', 'age takes identities'],
  ['identities that are no list', `{identities: '${KEY}'}`, 'age.identities is a list'],
  ['an empty identity', "{identities: ['']}", 'an identity is AGE-SECRET-KEY-'],
])('%s are refused, without repeating a key (row 82)', (_what, age, message) => {
  let text = '';
  try {
    load(age);
  } catch (error) {
    text = String(error);
  }
  expect(text).toContain(message);
  expect(text).not.toContain(KEY);
});

test('an unknown word in it is a finding', () => {
  expect(load(`{identities: ['${KEY}'], passphrase: x}`).findings.map(formatFinding)).toEqual([
    expect.stringContaining('age.passphrase is not a key'),
  ]);
});
