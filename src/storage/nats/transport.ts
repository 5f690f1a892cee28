/**
 * The socket below the NATS library, in place of the library's own: that one leaves half-open connections behind, waits for a dead peer before
 * it closes, and checks certificates against `localhost` where a server is named by its address.
 */

import { createConnection, isIP, type Socket } from 'node:net';
import { connect as connectTLS, type TLSSocket } from 'node:tls';
import type { ConnectionOptions, NatsConnection } from 'nats';
import { NatsConnectionImpl, setTransportFactory } from 'nats/lib/nats-base-client/internal_mod.js';
import { NodeTransport } from 'nats/lib/src/node_transport.js';
import { isCertificateRefusal } from './errors.ts';

/** Silence after which the system asks whether the other side is there, ms. */
const KEEP_ALIVE_MS = 30_000;

/** As `connect` of the library, over this transport. `signal` ends an attempt that is under way, and nothing later. */
export async function connectNATS(options: ConnectionOptions, signal: AbortSignal): Promise<NatsConnection> {
  let broken: Error | undefined;
  let current: Transport | undefined;
  const refusal = Promise.withResolvers<never>();
  refusal.promise.catch(() => {}); // may come when nobody waits any more
  const onBroken = (error: Error) => {
    broken = error;
    // A server that refuses our certificate does so after the handshake; the library would wait for its answer until the time is over.
    if (isCertificateRefusal(error)) refusal.reject(error);
  };
  const factory = () => {
    current = new Transport(onBroken);
    return current;
  };
  const onAbort = () => current?.disconnect();
  signal.addEventListener('abort', onAbort, { once: true });
  setTransportFactory({ factory });
  const connecting = NatsConnectionImpl.connect(options);
  try {
    return await Promise.race([connecting, refusal.promise]);
  } catch (error) {
    connecting.then(
      (late) => late.close(),
      () => {},
    );
    throw (error as { code?: unknown }).code === 'TIMEOUT' && broken !== undefined ? broken : error;
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

interface Address {
  readonly hostname: string;
  readonly port: number;
  readonly tlsName: string;
}

class Transport extends NodeTransport {
  readonly #onBroken: (error: Error) => void;
  #raw: Socket | undefined;
  #host = '';

  constructor(onBroken: (error: Error) => void) {
    super();
    this.#onBroken = onBroken;
  }

  override connect(address: Address, options: ConnectionOptions): Promise<void> {
    this.#host = address.tlsName || address.hostname;
    return super.connect(address, options);
  }

  override dial({ hostname, port }: { readonly hostname: string; readonly port: number }): Promise<Socket> {
    const socket = createConnection({ host: hostname, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
    this.#raw = socket;
    return settled(socket, 'connect');
  }

  override startTLS(): Promise<TLSSocket> {
    const { ca, cert, key } = this.options.tls ?? {};
    const socket = connectTLS({
      socket: this.socket,
      host: this.#host,
      ...(isIP(this.#host) === 0 ? { servername: this.#host } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
    });
    return settled(socket, 'secureConnect');
  }

  override setupHandlers(): void {
    super.setupHandlers();
    this.socket.on('error', this.#onBroken);
  }

  override async close(error?: Error): Promise<void> {
    const closing = super.close(error);
    this.#raw?.destroy();
    await closing;
  }

  override disconnect(): void {
    this.close().catch(() => {}); // nothing in it can fail
  }

  /** A reader that gives up, on bytes that are no NATS, ends the connection: it is made anew. */
  override async *iterate(): AsyncGenerator<Uint8Array> {
    try {
      yield* super.iterate();
    } finally {
      if (!this.isClosed) this.disconnect();
    }
  }
}

function settled<T extends Socket>(socket: T, event: 'connect' | 'secureConnect'): Promise<T> {
  return new Promise((resolve, reject) => {
    let failure: Error = Object.assign(new Error('the connection was closed'), { code: 'ECONNRESET' });
    const onError = (error: Error) => {
      failure = error;
    };
    const onClose = () => reject(failure);
    socket.on('error', onError);
    socket.once('close', onClose);
    socket.once(event, () => {
      socket.off('error', onError);
      socket.off('close', onClose);
      resolve(socket);
    });
  });
}
