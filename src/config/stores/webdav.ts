/** A directory of a WebDAV server. */

import { registerSecret } from '../../base/redact.ts';
import type { WebDAVStoreSpec } from '../../storage/spec.ts';
import { isOpenToReaders } from '../hosts.ts';
import type { SectionSpec } from '../schema.ts';
import type { Placed } from '../section.ts';
import { credentialsOf, halfOf, masked, withoutUnset } from './fields.ts';
import { defineStore, place, type StoreContext } from './kind.ts';
import { prefixOf } from './prefix.ts';
import { describeTransport, TRANSPORT_KEYS, transportOf } from './transport.ts';

const KEYS = {
  'webdav-url': { kind: 'string', address: 'exclusive', doc: 'http or https URL of the server, with its base path.' },
  path: { kind: 'string', address: 'exclusive', dated: true, doc: 'Directory below it.' },
  'webdav-username': { kind: 'string', doc: 'Who logs in.' },
  'webdav-password': { kind: 'string', secret: true, doc: 'Basic or digest, as the server asks.' },
  ...TRANSPORT_KEYS,
} as const satisfies SectionSpec;

export const WEBDAV = defineStore<typeof KEYS, WebDAVStoreSpec>({
  type: 'webdav',
  aliases: ['webdavs'],
  schemes: ['webdav', 'webdavs'],
  keys: KEYS,
  partsOf: ({ scheme, user, password, host, path }) => ({
    'webdav-url': host === '' ? '' : `${scheme === 'webdavs' ? 'https' : 'http'}://${host}`,
    path: prefixOf(path),
    ...(user === undefined ? {} : { 'webdav-username': user }),
    ...(password === undefined ? {} : { 'webdav-password': password }),
  }),
  resolve(values, context) {
    const server = readServer(values['webdav-url'], context);
    if (server === undefined) return undefined;
    const user = values['webdav-username']?.value ?? server.user;
    const password = values['webdav-password']?.value ?? server.password;
    if (user !== undefined && user === server.user) context.findings.origin(`${place(context)}.webdav-username`, 'webdav-url');
    if (password !== undefined && password === server.password) context.findings.origin(`${place(context)}.webdav-password`, 'webdav-url');
    if (password !== undefined && user === undefined)
      context.findings.unusable(context.at, values['webdav-password']?.at ?? context.at, halfOf('webdav-username'));
    if (password !== undefined && isOpenToReaders(server.endpoint))
      context.findings.warning(values['webdav-url']?.at ?? context.at, 'the password travels unencrypted: use https, or a webdavs:// URL');
    return {
      type: 'webdav',
      endpoint: server.endpoint,
      path: prefixOf(values.path?.value ?? ''),
      ...withoutUnset({ user }),
      ...credentialsOf({ password }),
      ...transportOf(values),
    };
  },
  describe: (spec) => [
    ['webdav-url', spec.endpoint],
    ['path', spec.path],
    ['webdav-username', spec.user],
    ['webdav-password', masked(spec.credentials?.password)],
    ...describeTransport(spec),
  ],
});

interface Server {
  readonly endpoint: string;
  readonly user?: string;
  readonly password?: string;
}

/** The address without the user and password that may stand in it. */
function readServer(written: Placed<string> | undefined, { findings, at }: StoreContext): Server | undefined {
  if (written === undefined || written.value === '') {
    findings.error(written?.at ?? at, 'a WebDAV replica needs webdav-url: the key, or a url such as webdavs://HOST/DIRECTORY');
    return undefined;
  }
  const url = URL.canParse(written.value) ? new URL(written.value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    findings.error(written.at, 'this is not the http or https URL of a WebDAV server');
    return undefined;
  }
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  if (password !== '') registerSecret(password);
  return {
    endpoint: `${url.origin}${url.pathname}`.replace(/\/+$/, ''),
    ...(user === '' ? {} : { user }),
    ...(password === '' ? {} : { password }),
  };
}
