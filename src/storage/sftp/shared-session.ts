/** The one session of a store, shared by all its calls and made anew when it is lost. */

import { orAbort } from '../../base/abortable.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { Session } from './session.ts';

/**
 * Only the end of the connection ends a session; a call that fails or is given up leaves it to the others. Whoever asks while a connection is
 * being made waits for that one, and all get its failure; the next one to ask tries again.
 */
export class SharedSession {
  readonly #connect: (signal: AbortSignal) => Promise<Session>;
  readonly #closing = new AbortController();
  readonly #retired = new Set<Session>();
  #current: Session | undefined;
  #connecting: Promise<Session> | undefined;

  constructor(connect: (signal: AbortSignal) => Promise<Session>) {
    this.#connect = connect;
  }

  /** The session, if there is a live one. */
  get live(): Session | undefined {
    return this.#current?.isLost === false ? this.#current : undefined;
  }

  /** Somebody has waited in vain in this session: the next ones get another. @param answerMs how long it has to prove that it lives. */
  retire(session: Session, answerMs: number): void {
    if (this.#current === session) this.#current = undefined;
    session.retire(answerMs);
    for (const old of this.#retired) if (old.isLost) this.#retired.delete(old);
    if (!session.isLost) this.#retired.add(session);
  }

  /** A live session. Rejects with `signal.reason`, or as `connect` does. */
  async get(signal: AbortSignal | undefined): Promise<Session> {
    signal?.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    const { live } = this;
    if (live !== undefined) return live;
    this.#connecting ??= this.#begin();
    return orAbort(this.#connecting, signal);
  }

  /** Ends everything. Later calls fail. */
  close(): void {
    this.#closing.abort(new LitestreamError('STORAGE_UNAVAILABLE', 'the SFTP store is closed'));
    for (const session of [this.#current, ...this.#retired]) session?.end('the store was closed');
  }

  async #begin(): Promise<Session> {
    try {
      const session = await this.#connect(this.#closing.signal);
      this.#current = session;
      if (this.#closing.signal.aborted) session.end('the store was closed');
      return session;
    } finally {
      this.#connecting = undefined;
    }
  }
}
