/** Connections of the older revisions that last over several requests: whose they are, how many, how long idle. */

import type { Clock } from '../../base/clock.ts';
import type { TokenEntry } from '../token-entry.ts';
import type { Visitor } from './guards.ts';

export interface Connection<T> {
  readonly id: string;
  readonly transport: T;
  readonly principal: string;
  /** The token it was opened with. */
  readonly token?: TokenEntry;
  /** Streams and requests in progress. */
  inUse: number;
  lastUsed: number;
}

export interface ConnectionOptions<T> {
  readonly most: number;
  readonly mostPerPrincipal: number;
  readonly idleMs: number;
  readonly clock: Clock;
  readonly close: (transport: T) => void;
  readonly onCount: (count: number) => void;
}

export class Connections<T> {
  readonly #options: ConnectionOptions<T>;
  readonly #byId = new Map<string, Connection<T>>();

  constructor(options: ConnectionOptions<T>) {
    this.#options = options;
  }

  /** Makes room for one more of `principal` by closing the one idle longest. False when all are in use. */
  makeRoom(principal: string): boolean {
    const { most, mostPerPrincipal } = this.#options;
    const mine = [...this.#byId.values()].filter((connection) => connection.principal === principal);
    if (mine.length >= mostPerPrincipal && !this.#closeIdlest(mine)) return false;
    return this.#byId.size < most || this.#closeIdlest([...this.#byId.values()]);
  }

  add(id: string, transport: T, { caller, token }: Visitor): Connection<T> {
    const connection: Connection<T> = {
      id,
      transport,
      principal: caller.principal,
      ...(token === undefined ? {} : { token }),
      inUse: 0,
      lastUsed: this.#options.clock.monotonic(),
    };
    this.#byId.set(id, connection);
    this.#options.onCount(this.#byId.size);
    return connection;
  }

  /** The connection of this id if it belongs to this principal: another one's id is as good as unknown. */
  find(id: string, principal: string): Connection<T> | undefined {
    const connection = this.#byId.get(id);
    if (connection === undefined || connection.principal !== principal) return undefined;
    connection.lastUsed = this.#options.clock.monotonic();
    return connection;
  }

  /** Forgets a connection that has closed. */
  remove(id: string): void {
    if (this.#byId.delete(id)) this.#options.onCount(this.#byId.size);
  }

  /** Closes those idle too long and those whose token `accepts` no longer knows. */
  sweep(accepts: (token: TokenEntry) => boolean): void {
    const now = this.#options.clock.monotonic();
    for (const connection of this.#byId.values()) {
      const idle = connection.inUse === 0 && now - connection.lastUsed > this.#options.idleMs;
      if (idle || (connection.token !== undefined && !accepts(connection.token))) this.#close(connection);
    }
  }

  closeAll(): void {
    for (const connection of this.#byId.values()) this.#close(connection);
  }

  #closeIdlest(candidates: readonly Connection<T>[]): boolean {
    const idle = candidates.filter((connection) => connection.inUse === 0).toSorted((a, b) => a.lastUsed - b.lastUsed);
    const [oldest] = idle;
    if (oldest !== undefined) this.#close(oldest);
    return oldest !== undefined;
  }

  #close(connection: Connection<T>): void {
    this.remove(connection.id);
    this.#options.close(connection.transport);
  }
}
