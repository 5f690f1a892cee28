/** Making a connection to an SFTP server, through a jump host if there is one, and putting what fails into words. */

import { createConnection, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import ssh2, { type Client, type ConnectConfig } from 'ssh2';
import SFTPClient from 'ssh2-sftp-client';
import { orAbort } from '../../base/abortable.ts';
import type { LitestreamError } from '../../base/errors.ts';
import type { SFTPStoreSpec } from '../spec.ts';
import { BEHIND_JUMP, connectError } from './connect-error.ts';
import { hostKeyAlgorithms } from './host-keys.ts';
import { hostVerifier } from './host-verifier.ts';
import { credentialsOf, type Hop, type KeyRing } from './login.ts';
import { Session } from './session.ts';

export interface ConnectionLimits {
  /** For each server on the way: from the first packet until it is logged in to, ms. */
  readonly connectMs: number;
  /** Between questions whether the server is still there, ms; when nothing at all has come for three of them it is not. */
  readonly keepaliveMs: number;
  /** Longest silence while something is asked, ms. */
  readonly answerMs: number;
}

export const CONNECTION_LIMITS: ConnectionLimits = { connectMs: 10_000, keepaliveMs: 10_000, answerMs: 120_000 };

/** What a store has for all its connections. */
export interface Means {
  readonly limits: ConnectionLimits;
  readonly keys: KeyRing;
}

const KEEPALIVES = 3;

const noop = (): void => {};

/**
 * A new session, verified and logged in. Rejects with STORAGE_UNAVAILABLE, ENDPOINT_UNTRUSTED (before any secret is sent), CREDENTIALS_INVALID
 * or NOT_SUPPORTED, and with `signal.reason`; then nothing is left open.
 */
export async function connect(spec: SFTPStoreSpec, { limits, keys }: Means, signal: AbortSignal): Promise<Session> {
  const { password, passphrase, jumpPassword, jumpPassphrase } = spec.credentials ?? {};
  const target: Hop = { ...spec, ...defined({ password, passphrase }) };
  const opened: Client[] = [];
  const tearDown = () => {
    for (const client of opened.toReversed()) client.destroy();
  };
  try {
    let through: Client | undefined;
    if (spec.jump !== undefined) {
      const jump: Hop = { ...spec.jump, ...defined({ password: jumpPassword, passphrase: jumpPassphrase }) };
      through = new ssh2.Client();
      opened.push(through);
      await logIn(through, jump, { through: undefined, limits, keys, signal, start: ready(through) });
    }
    const wrapper = new SFTPClient('litestream', { error: noop, end: noop, close: noop });
    // The wrapper keeps the connection it is about to itself, but only there its events and its end can be had.
    const client = (wrapper as unknown as { readonly client: Client }).client;
    opened.push(client);
    const raw = await logIn(client, target, { through, limits, keys, signal, start: (config) => wrapper.connect(config) });
    const session = new Session(raw.result, tearDown, limits.answerMs);
    endWith(session, opened);
    endWhenSilent(session, raw.sock, limits.keepaliveMs);
    return session;
  } catch (error) {
    tearDown();
    throw error;
  }
}

/** Ticks are counted and not time, which also passes while this process stands still. */
function endWhenSilent(session: Session, sock: Duplex, keepaliveMs: number): void {
  let ticks = 0;
  sock.on('data', () => {
    ticks = 0;
  });
  const timer = setInterval(() => {
    ticks += 1;
    if (ticks > KEEPALIVES) session.end(`nothing was heard of the server for ${(keepaliveMs * KEEPALIVES) / 1000} s`);
  }, keepaliveMs).unref();
  sock.once('close', () => clearInterval(timer));
}

/** When any connection on the way ends, so does the session. */
function endWith(session: Session, clients: readonly Client[]): void {
  for (const client of clients) {
    client.on('error', (error: Error) => session.end(`the connection failed (${error.message})`));
    client.on('close', () => session.end('the connection was closed'));
    client.on('end', () => session.end('the server closed the connection'));
  }
}

interface LogIn<T> extends Means {
  readonly through: Client | undefined;
  readonly signal: AbortSignal;
  readonly start: (config: ConnectConfig) => Promise<T>;
}

interface LoggedIn<T> {
  readonly result: T;
  readonly sock: Duplex;
}

async function logIn<T>(client: Client, hop: Hop, { through, limits, keys, signal, start }: LogIn<T>): Promise<LoggedIn<T>> {
  // The library reports after its end, too, and an event without a listener ends the process.
  let failure: unknown;
  client.on('error', (error: Error) => {
    failure ??= error;
  });
  const verifier = await hostVerifier(hop);
  const credentials = await credentialsOf(hop, keys);
  let refusal: LitestreamError | undefined;
  const config: ConnectConfig = {
    username: hop.user,
    authHandler: credentials.methods,
    algorithms: { serverHostKey: hostKeyAlgorithms(verifier.known) as never },
    hostVerifier: (key: Buffer) => {
      refusal = verifier.check(key);
      return refusal === undefined;
    },
    readyTimeout: 0,
    keepaliveInterval: limits.keepaliveMs,
    // The library would end a slow upload, whose data its questions wait behind. Whether anything is heard is watched below.
    keepaliveCountMax: Number.MAX_SAFE_INTEGER,
  };
  let sock: Duplex | undefined;
  const work = async (): Promise<T> => {
    if (through === undefined) {
      const socket = dial(hop);
      sock = socket;
      await connected(socket);
    } else sock = await forward(through, hop);
    const passwordExpired = new Promise<never>((_, reject) =>
      client.on('change password', () => reject(new Error('the password has expired'))),
    );
    return Promise.race([start({ ...config, sock }), passwordExpired]);
  };
  try {
    const result = await withinLimit(work(), limits.connectMs, signal);
    if (sock === undefined) throw new Error('there is no connection');
    return { result, sock };
  } catch (error) {
    sock?.destroy();
    client.destroy();
    signal.throwIfAborted();
    throw refusal ?? connectError(failure ?? error, hop, credentials);
  }
}

/** Node's own socket, because the library's waits for 40 ms with every small packet (Nagle's algorithm). */
function dial({ host, port = 22 }: Hop): Socket {
  return createConnection({ host, port, noDelay: true });
}

function connected(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('connect', resolve);
    // Stays: the socket may report after nobody listens any more.
    socket.on('error', reject);
  });
}

function forward(through: Client, { host, port = 22 }: Hop): Promise<Duplex> {
  return new Promise((resolve, reject) => {
    through.forwardOut('127.0.0.1', 0, host, port, (error, channel) => {
      if (error) return reject(new Error(`${BEHIND_JUMP} (${error.message})`));
      channel.on('error', noop);
      resolve(channel);
    });
  });
}

function ready(client: Client): (config: ConnectConfig) => Promise<void> {
  return (config) =>
    new Promise((resolve, reject) => {
      client.once('ready', resolve);
      client.once('error', reject);
      client.once('close', () => reject(new Error('the connection was closed')));
      client.connect(config);
    });
}

async function withinLimit<T>(work: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms / 1000} s`)), ms);
  });
  work.catch(noop);
  try {
    return await orAbort(Promise.race([work, limit]), signal);
  } finally {
    clearTimeout(timer);
  }
}

/** Without the properties that are undefined. */
function defined(values: {
  readonly password?: string | undefined;
  readonly passphrase?: string | undefined;
}): Pick<Hop, 'password' | 'passphrase'> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
