/** One shared connection to NATS: opened at the first call, kept through outages, and honest to every call that an outage meets. */

import type { Msg, MsgHdrs, NatsConnection, Status, Subscription } from 'nats';
import { orAbort } from '../../base/abortable.ts';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import type { NATSStoreSpec } from '../spec.ts';
import { LinkError } from './errors.ts';
import { CONNECT_TIMEOUT_MS, connectionOptions } from './options.ts';
import { connectNATS } from './transport.ts';

/** Longest wait for the answer to one request, ms. */
const ANSWER_MS = 30_000;
/** A server that does not even answer a ping within this is given up for a new connection, ms. */
const PING_MS = 5_000;
/** Longest wait for what is under way when the connection is closed, ms. */
const DRAIN_MS = 2_000;

/** A call that an event of the connection may end. */
interface Waiter {
  readonly subject: string;
  readonly fail: (error: unknown) => void;
}

export interface RequestSettings {
  readonly headers?: MsgHdrs;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Nothing is buffered during an outage: calls under way fail at once, new ones wait for the reconnection for as long as a connection may take
 * and then fail. A refusal by the permissions of the user, which arrives as an event, fails the call that caused it.
 */
export class Link {
  readonly #spec: NATSStoreSpec;
  readonly #waiters = new Set<Waiter>();
  readonly #arrivals = new Set<() => void>();
  #connecting: Promise<NatsConnection> | undefined;
  #connection: NatsConnection | undefined;
  #up = false;
  readonly #closing = new AbortController();
  /** How often the connection was lost: what was asked for before does not come any more. */
  losses = 0;

  constructor(spec: NATSStoreSpec) {
    this.#spec = spec;
  }

  /** The live connection. Errors are those of the library, or ours when it was not asked. */
  async use(signal: AbortSignal | undefined): Promise<NatsConnection> {
    signal?.throwIfAborted();
    if (this.#closing.signal.aborted) throw closedError();
    const connection = this.#connection;
    if (connection === undefined || connection.isClosed()) return this.#opened(signal);
    if (!this.#up) await this.#arrival(signal);
    return connection;
  }

  /** Largest payload the server takes, bytes. */
  async maxPayload(signal: AbortSignal | undefined): Promise<number> {
    return (await this.use(signal)).info?.max_payload ?? 1024 * 1024;
  }

  async request(subject: string, payload: Uint8Array, { headers, signal }: RequestSettings = {}): Promise<Msg> {
    const connection = await this.use(signal);
    const answer = connection.request(subject, payload, { timeout: ANSWER_MS, ...(headers === undefined ? {} : { headers }) });
    answer.catch((error: unknown) => this.#suspect(connection, error));
    return this.guard(subject, answer, signal);
  }

  /** `work`, or the first of: what happened to the connection, a refusal of `subject`, the signal's reason. */
  async guard<T>(subject: string, work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    let waiter: Waiter | undefined;
    const watched = new Promise<T>((resolve, reject) => {
      waiter = { subject, fail: reject };
      this.#waiters.add(waiter);
      work.then(resolve, reject);
    });
    try {
      return await orAbort(watched, signal);
    } finally {
      if (waiter !== undefined) this.#waiters.delete(waiter);
    }
  }

  async subscribe(subject: string, callback: (message: Msg) => void, signal: AbortSignal | undefined): Promise<Subscription> {
    const connection = await this.use(signal);
    return connection.subscribe(subject, {
      callback: (error, message) => {
        if (error === null) callback(message);
      },
    });
  }

  async publish(subject: string, payload: Uint8Array, reply: string, signal: AbortSignal | undefined): Promise<void> {
    (await this.use(signal)).publish(subject, payload, { reply });
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    const connection = this.#connection ?? (await this.#connecting?.catch(() => undefined));
    if (connection === undefined || connection.isClosed()) return;
    // A drain waits for the server, which may be away.
    if (this.#up) await within(connection.drain(), DRAIN_MS);
    if (!connection.isClosed()) await connection.close();
  }

  /** An attempt that was begun by somebody else, and fails, says nothing of what is possible now. */
  async #opened(signal: AbortSignal | undefined): Promise<NatsConnection> {
    const earlier = this.#connecting;
    const joined =
      earlier === undefined
        ? undefined
        : await orAbort(
            earlier.catch(() => undefined),
            signal,
          );
    if (this.#closing.signal.aborted) throw closedError();
    return joined ?? orAbort(this.#connect(), signal);
  }

  #connect(): Promise<NatsConnection> {
    this.#connecting ??= this.#open().finally(() => {
      this.#connecting = undefined;
    });
    return this.#connecting;
  }

  async #open(): Promise<NatsConnection> {
    const options = await connectionOptions(this.#spec);
    const connection = await connectNATS(options, this.#closing.signal).catch((cause: unknown) => {
      throw new LinkError(systemCode(cause) ?? 'CONNECTION_REFUSED', 'cannot connect', { cause });
    });
    this.#connection = connection;
    this.#up = true;
    this.#watch(connection).catch(() => {}); // the events end with the connection
    connection
      .closed()
      .then((error) =>
        this.#lost(new LinkError(systemCode(error) ?? 'CONNECTION_CLOSED', 'the connection was closed', { cause: error ?? undefined })),
      );
    return connection;
  }

  async #watch(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) this.#notice(status);
  }

  #notice(status: Status): void {
    if (status.type === 'disconnect') this.#lost(new LinkError('DISCONNECT', 'the connection was lost'));
    else if (status.type === 'reconnect') {
      this.#up = true;
      for (const arrive of this.#arrivals) arrive();
    } else if (status.type === 'error' && status.permissionContext !== undefined) this.#refused(status.permissionContext);
  }

  #lost(error: LinkError): void {
    this.#up = false;
    this.losses += 1;
    for (const waiter of this.#waiters) waiter.fail(error);
    if (this.#connection?.isClosed() === true) for (const arrive of this.#arrivals) arrive();
  }

  #refused(context: { readonly operation: string; readonly subject: string }): void {
    const right = `${context.operation === 'publish' ? 'publish' : 'subscribe'} to "${context.subject}"`;
    const error = new LinkError('PERMISSIONS_VIOLATION', `no permission to ${right}`, { permissionContext: context });
    // Without a subscription for answers no call at all can end.
    for (const waiter of this.#waiters) if (context.operation !== 'publish' || waiter.subject === context.subject) waiter.fail(error);
  }

  /** Waits until the connection is back, or closed for good, for as long as a connection may take. */
  async #arrival(signal: AbortSignal | undefined): Promise<void> {
    const limitMs = this.#spec.timeoutMs ?? CONNECT_TIMEOUT_MS;
    let arrived = () => {};
    const arrival = new Promise<void>((resolve) => {
      arrived = resolve;
      this.#arrivals.add(resolve);
    });
    try {
      await orAbort(within(arrival, limitMs), signal);
    } finally {
      this.#arrivals.delete(arrived);
    }
    if (this.#closing.signal.aborted) throw closedError();
    if (!this.#up) throw new LinkError('DISCONNECT', `not connected for ${limitMs / 1000} s`);
  }

  /** After a silence: a server that does not answer a ping either is left for a new connection. */
  #suspect(connection: NatsConnection, error: unknown): void {
    if ((error as { code?: unknown }).code !== 'TIMEOUT' || !this.#up || connection.isClosed()) return;
    let answered = false;
    const ping = connection.flush().then(() => {
      answered = true;
    });
    within(ping, PING_MS)
      .then(() => (answered || connection.isClosed() ? undefined : connection.reconnect()))
      .catch(() => {}); // closed meanwhile
  }
}

const closedError = (): LitestreamError => new LitestreamError('SHUTTING_DOWN', 'the connection to NATS was closed');

/** Waits for `work` for at most `limitMs`, whatever its outcome. */
async function within(work: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  try {
    await Promise.race([work.catch(() => {}), limit]);
  } finally {
    clearTimeout(timer);
  }
}
