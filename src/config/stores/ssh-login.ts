/** How an SSH server is logged in to, and how its key is checked. */

import { existsSync } from 'node:fs';
import type { SFTPStoreSpec, SSHLogin } from '../../storage/spec.ts';
import { hostOf, portOf } from '../hosts.ts';
import { absolutePath } from '../paths.ts';
import { parseBool } from '../scalars.ts';
import type { Placed, Values } from '../section.ts';
import { withoutUnset } from './fields.ts';
import type { StoreContext } from './kind.ts';
import type { SFTP_KEYS } from './sftp.ts';

type SFTPValues = Values<typeof SFTP_KEYS>;

const KNOWN_HOSTS = '~/.ssh/known_hosts';
const KEY_FORM = /^(?:ssh-|ecdsa-|sk-)[\w@.-]+ [A-Za-z0-9+/]+=*(?: .*)?$/;

/** Host and port; undefined, with a finding, when there is no host. */
export function addressOf(
  host: Placed<string> | undefined,
  key: string,
  { findings, at }: StoreContext,
): { readonly host: string; readonly port?: number } | undefined {
  const text = host?.value ?? '';
  const port = portOf(text);
  if (hostOf(text) === '' || /[/@\s]/.test(text) || Number.isNaN(port)) {
    findings.error(host?.at ?? at, `an SFTP replica needs a ${key} such as backup.example.org or backup.example.org:2222`);
    return undefined;
  }
  return { host: hostOf(text), ...(port === undefined ? {} : { port }) };
}

/** The ways to log in and what is known about the server's key. */
export function readLogin(values: SFTPValues, context: StoreContext): Omit<SSHLogin, 'host' | 'user' | 'port'> {
  const key = values['key-path'];
  if (key === undefined && values['key-passphrase'] !== undefined)
    context.findings.warning(values['key-passphrase'].at, 'no effect without key-path');
  return withoutUnset({
    keyPath: key === undefined ? undefined : absolutePath(key.value, context.env),
    agent: agentOf(values, context),
    hostKeys: hostKeys(values['host-key'], context),
    ...knownBy(values, values['host-key'], context),
  });
}

/** The server in between, with what is not said about it taken from the one behind. */
export function readJump(values: SFTPValues, context: StoreContext): SFTPStoreSpec['jump'] {
  const { env, findings } = context;
  const written = values['jump-host'];
  if (written === undefined) {
    for (const name of ['jump-user', 'jump-password', 'jump-key-path', 'jump-key-passphrase', 'jump-host-key'] as const)
      if (values[name] !== undefined) findings.warning(values[name].at, 'no effect without jump-host');
    return undefined;
  }
  const address = addressOf(written, 'jump-host', context);
  const user = (values['jump-user'] ?? values.user)?.value;
  if (address === undefined || user === undefined) return undefined;
  const key = values['jump-key-path'] ?? values['key-path'];
  return {
    ...address,
    user,
    ...withoutUnset({
      keyPath: key === undefined ? undefined : absolutePath(key.value, env),
      agent: agentOf(values, context),
      hostKeys: hostKeys(values['jump-host-key'], context),
      ...knownBy(values, values['jump-host-key'], context),
    }),
  };
}

/** `true` is that of the session; by default it is asked where nothing else is said. */
function agentOf({ agent, password, 'key-path': key }: SFTPValues, { env, findings }: StoreContext): string | undefined {
  const socket = env.SSH_AUTH_SOCK === '' ? undefined : env.SSH_AUTH_SOCK;
  if (agent === undefined) return password === undefined && key === undefined ? socket : undefined;
  const word = parseBool(agent.value);
  if (!('value' in word)) return absolutePath(agent.value, env);
  if (word.value && socket === undefined) findings.warning(agent.at, 'there is no agent: SSH_AUTH_SOCK is not set');
  return word.value ? socket : undefined;
}

function hostKeys(keys: Placed<readonly string[]> | undefined, { findings }: StoreContext): readonly string[] | undefined {
  const written = keys?.value.map((key) => key.trim()).filter((key) => key !== '') ?? [];
  if (keys !== undefined && written.some((key) => !KEY_FORM.test(key)))
    findings.error(keys.at, 'a host key is a line such as "ssh-ed25519 AAAA…"; ssh-keyscan HOST prints those of a server');
  return written.length === 0 ? undefined : written;
}

/** The file of known servers, where no key is fixed; the original believes every server. */
function knownBy(
  { 'known-hosts': file, 'verify-host-key': verify }: SFTPValues,
  fixed: Placed<readonly string[]> | undefined,
  { env, findings, at }: StoreContext,
): Pick<SSHLogin, 'knownHosts' | 'verifyHost'> {
  if (verify?.value === false) {
    findings.warning(verify.at, 'the key of the server is not checked: whoever is on the way can pose as the server');
    return { verifyHost: false };
  }
  if (fixed !== undefined && file === undefined) return {};
  const path = absolutePath(file?.value ?? KNOWN_HOSTS, env);
  if (fixed === undefined && !existsSync(path))
    findings.warning(file?.at ?? at, `${path} is not there and no host-key is given: the server is refused until one of them says its key`);
  return { knownHosts: path };
}
