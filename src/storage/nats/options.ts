/** From what the configuration says to what the NATS library wants: addresses, one way of logging in, TLS. */

import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  jwtAuthenticator,
  nkeyAuthenticator,
  nkeys,
  type TlsOptions,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from 'nats';
import { LitestreamError } from '../../base/errors.ts';
import type { NATSStoreSpec } from '../spec.ts';

const RECONNECT_WAIT_MS = 2_000;
/** Part of the wait before a reconnection that is random, so that a fleet does not come back in step. */
const RECONNECT_JITTER = 0.25;
const PING_INTERVAL_MS = 120_000;
const PINGS_OUT = 2;

/** ms for a connection, unless said. */
export const CONNECT_TIMEOUT_MS = 10_000;

/** Files are read anew at each call, so that rotated ones are noticed. CONFIG_INVALID and CREDENTIALS_INVALID say what is wrong with them. */
export async function connectionOptions(spec: NATSStoreSpec): Promise<ConnectionOptions> {
  const tls = await tlsOptions(spec);
  const authenticator = await authenticatorOf(spec);
  const waitMs = spec.reconnectWaitMs ?? RECONNECT_WAIT_MS;
  return {
    servers: [...spec.servers],
    name: 'litestream',
    maxReconnectAttempts: spec.maxReconnects === undefined || spec.maxReconnects < 0 ? -1 : spec.maxReconnects,
    reconnectDelayHandler: () => waitMs * (1 + RECONNECT_JITTER * Math.random()),
    timeout: spec.timeoutMs ?? CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: PINGS_OUT,
    // The system's resolver knows more than the name servers do: /etc/hosts.
    resolve: false,
    noAsyncTraces: true,
    ...(tls === undefined ? {} : { tls }),
    ...(authenticator === undefined ? {} : { authenticator }),
  };
}

async function authenticatorOf(spec: NATSStoreSpec): Promise<Authenticator | undefined> {
  const { jwt, seed, nkey, password, token } = spec.credentials ?? {};
  const { username, credsFile } = spec;
  oneMethod({
    'jwt and seed': jwt ?? seed,
    creds: credsFile,
    nkey,
    'username and password': username ?? password,
    token,
  });
  if ((jwt === undefined) !== (seed === undefined)) throw half('jwt', 'seed', jwt === undefined);
  if ((username === undefined) !== (password === undefined)) throw half('username', 'password', username === undefined);
  if (jwt !== undefined && seed !== undefined) return jwtAuthenticator(jwt, seedBytes(seed, 'seed'));
  if (credsFile !== undefined) return credentialsFile(credsFile);
  if (nkey !== undefined) return nkeyAuthenticator(seedBytes(nkey, 'nkey'));
  if (username !== undefined) return usernamePasswordAuthenticator(username, password);
  return token === undefined ? undefined : tokenAuthenticator(token);
}

function oneMethod(methods: Readonly<Record<string, string | undefined>>): void {
  const given = Object.keys(methods).filter((name) => methods[name] !== undefined);
  if (given.length < 2) return;
  throw new LitestreamError('CONFIG_INVALID', `more than one way to log in to NATS is given: ${given.join(', ')}`, {
    hint: 'Keep one of them.',
  });
}

function half(first: string, second: string, firstMissing: boolean): LitestreamError {
  const [given, missing] = firstMissing ? [second, first] : [first, second];
  return new LitestreamError('CONFIG_INVALID', `NATS ${given} is given without ${missing}`, { hint: `Give ${missing} too.` });
}

/** Read again at each reconnection; what was read last serves when the file is away just then. */
async function credentialsFile(path: string): Promise<Authenticator> {
  let content: Uint8Array = await readNamed(path, 'creds');
  return credsAuthenticator(() => {
    try {
      content = readFileSync(path);
    } catch {
      // It may be away only while it is replaced.
    }
    return content;
  });
}

/** Contents instead of names of files: the library would read them while nobody listens to errors of the socket. */
async function tlsOptions(spec: NATSStoreSpec): Promise<TlsOptions | undefined> {
  const { rootCAs = [], clientCert, clientKey } = spec;
  if ((clientCert === undefined) !== (clientKey === undefined)) throw half('client-cert', 'client-key', clientCert === undefined);
  const byURL = spec.servers.some((server) => server.startsWith('tls://'));
  if (spec.tls !== true && !byURL && rootCAs.length === 0 && clientCert === undefined) return undefined;
  const authorities = await Promise.all(rootCAs.map((path) => readNamed(path, 'root-cas')));
  return {
    ...(authorities.length === 0 ? {} : { ca: authorities.map((pem) => pem.toString('utf8')).join('\n') }),
    ...(clientCert === undefined ? {} : { cert: (await readNamed(clientCert, 'client-cert')).toString('utf8') }),
    ...(clientKey === undefined ? {} : { key: (await readNamed(clientKey, 'client-key')).toString('utf8') }),
  };
}

async function readNamed(path: string, key: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new LitestreamError('CREDENTIALS_INVALID', `cannot read ${path}, named by ${key}`, {
      cause,
      hint: `Correct ${key}, or the rights on that file.`,
    });
  }
}

/** The library would only close the connection over a seed that is none. */
function seedBytes(text: string, name: string): Uint8Array {
  const bytes = new TextEncoder().encode(text.trim());
  try {
    nkeys.fromSeed(bytes).clear();
  } catch {
    // Not kept as the cause: nothing of a secret may show.
    throw new LitestreamError('CREDENTIALS_INVALID', `${name} is not the seed of a NATS key`, {
      hint: 'A seed begins with SU and has 58 letters and digits; the public key, which begins with U, is not it.',
    });
  }
  // fromSeed may keep the array and clear it.
  return new TextEncoder().encode(text.trim());
}
