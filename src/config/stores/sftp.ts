/** A directory of an SSH server. */

import type { SFTPStoreSpec } from '../../storage/spec.ts';
import type { SectionSpec } from '../schema.ts';
import { credentialsOf, masked, withoutUnset } from './fields.ts';
import { defineStore } from './kind.ts';
import { cleanURLPath } from './prefix.ts';
import { addressOf, readJump, readLogin } from './ssh-login.ts';
import { describeTransport, TRANSPORT_KEYS, transportOf } from './transport.ts';

export const SFTP_KEYS = {
  host: { kind: 'string', address: 'exclusive', doc: 'The server, `HOST` or `HOST:PORT`; port 22 by default.' },
  path: {
    kind: 'string',
    address: 'exclusive',
    dated: true,
    doc: 'The directory: absolute, or relative to the home directory on the server.',
  },
  user: { kind: 'string', doc: 'Who logs in.' },
  password: { kind: 'string', secret: true, doc: 'The password of that user.' },
  'key-path': { kind: 'path', url: true, doc: 'File of a private key.' },
  'key-passphrase': { kind: 'string', secret: true, doc: 'What opens that key.' },
  agent: {
    kind: 'string',
    url: true,
    doc: 'Socket of an SSH agent, or true for SSH_AUTH_SOCK; by default that one where neither password nor key-path is given; false for none.',
  },
  'host-key': {
    kind: 'texts',
    url: true,
    doc: 'Keys of the server that are accepted, in authorized_keys form; one or a list. Wins over known-hosts.',
  },
  'known-hosts': { kind: 'path', url: true, default: '~/.ssh/known_hosts', doc: 'File of the servers whose keys are known.' },
  'verify-host-key': { kind: 'bool', url: true, default: 'true', doc: 'false: whoever answers is believed to be the server.' },
  'jump-host': { kind: 'string', url: true, doc: 'A server through which host is reached, `HOST` or `HOST:PORT`.' },
  'jump-user': { kind: 'string', url: true, doc: 'Who logs in there; by default user.' },
  'jump-password': { kind: 'string', secret: true, doc: 'The password there.' },
  'jump-key-path': { kind: 'path', url: true, doc: 'File of the private key for it; by default key-path.' },
  'jump-key-passphrase': { kind: 'string', secret: true, doc: 'What opens that key.' },
  'jump-host-key': { kind: 'texts', url: true, doc: 'Keys of that server that are accepted.' },
  'concurrent-writes': { kind: 'bool', url: true, default: 'true', doc: 'Several writes of one file in flight.' },
  ...TRANSPORT_KEYS,
} as const satisfies SectionSpec;

export const SFTP = defineStore<typeof SFTP_KEYS, SFTPStoreSpec>({
  type: 'sftp',
  schemes: ['sftp'],
  keys: SFTP_KEYS,
  partsOf: ({ user, password, host, path }) => ({
    host,
    path: urlDirectory(path),
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
  }),
  resolve(values, context) {
    const { findings, at } = context;
    const address = addressOf(values.host, 'host', context);
    const path = directory(values.path?.value ?? '');
    const user = values.user?.value ?? (context.isPattern === true ? '' : undefined);
    if (user === undefined) findings.error(at, 'an SFTP replica needs a user: the key, or a name before the @ of its url');
    if (path === '')
      findings.error(values.path?.at ?? at, 'an SFTP replica needs a path: the directory to write to; "." is the home directory');
    if (address === undefined || user === undefined || path === '') return undefined;
    const jump = readJump(values, context);
    return {
      type: 'sftp',
      ...address,
      user,
      path,
      ...readLogin(values, context),
      ...withoutUnset({ concurrentWrites: values['concurrent-writes']?.value, jump }),
      ...credentialsOf({
        password: values.password?.value,
        passphrase: values['key-passphrase']?.value,
        jumpPassword: jump === undefined ? undefined : values['jump-password']?.value,
        jumpPassphrase: jump === undefined ? undefined : (values['jump-key-passphrase'] ?? inheritedPassphrase(values))?.value,
      }),
      ...transportOf(values),
    };
  },
  describe: (spec) => [
    ['host', hostText(spec)],
    ['path', spec.path],
    ['user', spec.user],
    ['password', masked(spec.credentials?.password)],
    ['key-path', spec.keyPath],
    ['key-passphrase', masked(spec.credentials?.passphrase)],
    ['agent', spec.agent],
    ['host-key', spec.hostKeys],
    ['known-hosts', spec.knownHosts],
    ['verify-host-key', spec.verifyHost ?? true],
    ['jump-host', spec.jump === undefined ? undefined : hostText(spec.jump)],
    ['jump-user', spec.jump?.user],
    ['jump-password', masked(spec.credentials?.jumpPassword)],
    ['jump-key-path', spec.jump?.keyPath],
    ['jump-key-passphrase', masked(spec.credentials?.jumpPassphrase)],
    ['jump-host-key', spec.jump?.hostKeys],
    ['concurrent-writes', spec.concurrentWrites],
    ...describeTransport(spec),
  ],
});

/** `/~/x` of a URL is x in the home directory; anything else is absolute, as in configuration files of the original. */
function urlDirectory(path: string): string {
  if (path === '/~' || path === '/~/') return '.';
  return path.startsWith('/~/') ? cleanURLPath(path.slice(3)) : path === '' ? '.' : `/${cleanURLPath(path)}`;
}

/** `~/x` and `x` are in the home directory. */
const directory = (path: string): string => (path === '~' || path === '~/' ? '.' : path.replace(/^~\//, '').replace(/(?<=[^/])\/+$/, ''));

const hostText = ({ host, port }: { readonly host: string; readonly port?: number }): string => {
  const name = host.includes(':') ? `[${host}]` : host;
  return port === undefined ? name : `${name}:${port}`;
};

/** The same key for both servers has the same passphrase. */
function inheritedPassphrase(values: { readonly [N in 'jump-key-path' | 'key-passphrase']?: { readonly value: string } }) {
  return values['jump-key-path'] === undefined ? values['key-passphrase'] : undefined;
}
