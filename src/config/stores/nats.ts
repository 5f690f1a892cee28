/** The object store of NATS JetStream. */

import { formatDuration } from '../../base/duration.ts';
import type { NATSStoreSpec } from '../../storage/spec.ts';
import { portOf } from '../hosts.ts';
import { absolutePath } from '../paths.ts';
import type { SectionSpec } from '../schema.ts';
import type { Placed, Values } from '../section.ts';
import { bucketName } from './bucket.ts';
import { credentialsOf, masked, withoutUnset } from './fields.ts';
import { defineStore, type StoreContext } from './kind.ts';
import { readMethod } from './nats-methods.ts';
import { prefixOf } from './prefix.ts';
import { describeTransport, TRANSPORT_KEYS, transportOf } from './transport.ts';

const KEYS = {
  servers: {
    kind: 'texts',
    address: 'exclusive',
    default: '[nats://127.0.0.1:4222]',
    doc: 'The servers of one cluster; a URL may name several too, with commas.',
  },
  bucket: { kind: 'string', address: 'exclusive', env: ['LITESTREAM_REPLICA_BUCKET'], doc: 'The object store, which has to exist.' },
  path: { kind: 'string', address: 'exclusive', dated: true, doc: 'Prefix of the object names; the original knows none.' },
  jwt: { kind: 'string', secret: true, doc: 'A user JWT, with seed.' },
  seed: { kind: 'string', secret: true, doc: 'Seed of the key that belongs to it.' },
  creds: { kind: 'path', url: true, doc: 'A .creds file, which holds both.' },
  nkey: { kind: 'string', secret: true, doc: 'Seed of an nkey.' },
  username: { kind: 'string', doc: 'Who logs in, with password.' },
  password: { kind: 'string', secret: true, doc: 'Of that user.' },
  token: { kind: 'string', secret: true, doc: 'A token alone; also a URL with a user and no password.' },
  tls: { kind: 'bool', url: true, doc: 'Only encrypted; also meant by root-cas, client-cert and servers of tls://.' },
  'root-cas': { kind: 'texts', url: true, doc: 'Files of the certificates that are trusted instead of those of the system.' },
  'client-cert': { kind: 'path', url: true, doc: 'Certificate that is shown to the server, with client-key.' },
  'client-key': { kind: 'path', url: true, doc: 'Its private key.' },
  'max-reconnects': { kind: 'int', url: true, default: '-1', doc: 'Attempts after a lost connection; negative for without end.' },
  'reconnect-wait': { kind: 'duration', url: true, default: '2s', least: { value: 0, exclusive: true }, doc: 'Pause between them.' },
  timeout: { kind: 'duration', url: true, default: '10s', least: { value: 0, exclusive: true }, doc: 'How long a connection may take.' },
  ...TRANSPORT_KEYS,
} as const satisfies SectionSpec;

type NATSValues = Values<typeof KEYS>;

export const NATS = defineStore<typeof KEYS, NATSStoreSpec>({
  type: 'nats',
  schemes: ['nats'],
  keys: KEYS,
  partsOf({ user, password, host, path }) {
    const [bucket = '', ...rest] = prefixOf(path).split('/');
    return {
      ...(host === '' ? {} : { servers: host.split(',') }),
      ...(bucket === '' ? {} : { bucket }),
      ...(rest.length === 0 ? {} : { path: rest.join('/') }),
      ...(user === undefined ? {} : password === undefined ? { token: user } : { username: user, password }),
    };
  },
  resolve(values, context) {
    const bucket = bucketName('nats', 'object store', values.bucket, context);
    const servers = readServers(values.servers, context);
    const method = readMethod(values, context);
    const files = readTLS(values, context);
    if (bucket === undefined || servers === undefined || method === undefined) return undefined;
    const { username, credsFile, ...secrets } = method;
    return {
      type: 'nats',
      servers,
      bucket,
      path: prefixOf(values.path?.value ?? ''),
      ...withoutUnset({
        username,
        credsFile,
        tls: values.tls?.value,
        ...files,
        maxReconnects: values['max-reconnects']?.value,
        reconnectWaitMs: values['reconnect-wait']?.value,
        timeoutMs: values.timeout?.value,
      }),
      ...credentialsOf(secrets),
      ...transportOf(values),
    };
  },
  describe: (spec) => [
    ['servers', spec.servers],
    ['bucket', spec.bucket],
    ['path', spec.path],
    ['jwt', masked(spec.credentials?.jwt)],
    ['seed', masked(spec.credentials?.seed)],
    ['creds', spec.credsFile],
    ['nkey', masked(spec.credentials?.nkey)],
    ['username', spec.username],
    ['password', masked(spec.credentials?.password)],
    ['token', masked(spec.credentials?.token)],
    ['tls', spec.tls],
    ['root-cas', spec.rootCAs],
    ['client-cert', spec.clientCert],
    ['client-key', spec.clientKey],
    ['max-reconnects', spec.maxReconnects],
    ['reconnect-wait', spec.reconnectWaitMs === undefined ? undefined : formatDuration(spec.reconnectWaitMs)],
    ['timeout', spec.timeoutMs === undefined ? undefined : formatDuration(spec.timeoutMs)],
    ...describeTransport(spec),
  ],
});

/** With scheme and port each; undefined, with findings, when one is none. */
function readServers(written: Placed<readonly string[]> | undefined, { findings }: StoreContext): readonly string[] | undefined {
  const servers: string[] = [];
  for (const text of written?.value ?? ['127.0.0.1']) {
    const [, scheme = 'nats', host = ''] = /^(?:(nats|tls):\/\/)?([^/?#@\s]+)\/?$/i.exec(text.trim()) ?? [];
    const port = portOf(host) ?? 4222;
    if (host === '' || Number.isNaN(port)) {
      const userInfo = /@/.test(text)
        ? 'user and password of a server belong under username and password'
        : 'this is not a server such as nats://10.0.0.1:4222';
      if (written !== undefined) findings.error(written.at, userInfo);
      return undefined;
    }
    servers.push(`${scheme.toLowerCase()}://${portOf(host) === undefined ? `${host}:${port}` : host}`);
  }
  return servers;
}

function readTLS(
  { 'root-cas': roots, 'client-cert': cert, 'client-key': key }: NATSValues,
  { env, findings }: StoreContext,
): Pick<NATSStoreSpec, 'rootCAs' | 'clientCert' | 'clientKey'> {
  const half = [cert, key].find((one) => one !== undefined);
  if (half !== undefined && (cert === undefined || key === undefined))
    findings.error(half.at, `client-cert and client-key belong together; ${cert === undefined ? 'client-cert' : 'client-key'} is missing`);
  return withoutUnset({
    rootCAs: roots === undefined || roots.value.length === 0 ? undefined : roots.value.map((file) => absolutePath(file, env)),
    clientCert: cert === undefined ? undefined : absolutePath(cert.value, env),
    clientKey: key === undefined ? undefined : absolutePath(key.value, env),
  });
}
