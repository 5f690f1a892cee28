/** Gives out the one session of a database, one user at a time: opens it when it is needed, replaces it when what was opened has gone. */

import { LitestreamError } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import type { DatabaseSettings } from '../options.ts';
import type { CaptureDeps } from './capture.ts';
import type { OpenDeps } from './live-database.ts';
import { type MovedLog, measureLog, moveLogAside } from './local-reset.ts';
import { Session } from './session.ts';

export class SessionHolder {
  readonly #settings: DatabaseSettings;
  readonly #openDeps: OpenDeps;
  readonly #deps: CaptureDeps;
  /** The executor of docs/engine.md: everything that moves a position runs inside it, in the order of asking. */
  readonly #executor = new Semaphore(1);
  #session: Session | undefined;
  #floor: TXID | undefined;
  /** Why the session before the next one ended early. */
  #displaced: string | undefined;
  #stopped: LitestreamError | undefined;

  constructor(settings: DatabaseSettings, openDeps: OpenDeps, deps: CaptureDeps, floor: TXID | undefined) {
    this.#settings = settings;
    this.#openDeps = openDeps;
    this.#deps = deps;
    this.#floor = floor;
  }

  /** The open session, for a look without waiting; undefined when there is none. */
  get current(): Session | undefined {
    return this.#session;
  }

  /** Runs `work` with an open session. Rejects with NotYet, with why it could not be opened, or ENGINE_STOPPED. */
  run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    return this.#executor.run(async () => work(await this.#open()));
  }

  /** Moves the local log aside, whether or not the database could be opened with it, and opens the database without it. */
  reset(): Promise<MovedLog> {
    return this.#executor.run(async () => {
      if (this.#stopped !== undefined) throw this.#stopped;
      const { metaPath } = this.#settings;
      this.raise(measureLog(metaPath).newest);
      await this.#drop();
      let moved: MovedLog | undefined;
      try {
        this.#session = await this.#openSession(() => {
          moved = moveLogAside(metaPath, this.#openDeps.clock.now());
        });
      } catch (error) {
        // Done is done: what keeps the database from being opened now is told by the next look.
        if (moved === undefined) throw error;
      }
      if (moved === undefined) throw new LitestreamError('INTERNAL', `resetting ${metaPath}: the local log was not reached`);
      return moved;
    });
  }

  raise(floor: TXID): void {
    if (this.#floor === undefined || floor > this.#floor) this.#floor = floor;
    this.#session?.capture.raise(floor);
  }

  /** Lets `farewell` use the session once more if it is open, then releases everything for good. Rejects with the first thing that failed. */
  async close(reason: LitestreamError, farewell: (session: Session) => Promise<unknown>): Promise<void> {
    const release = await this.#executor.acquire();
    const errors: unknown[] = [];
    try {
      const session = this.#session;
      if (session !== undefined && this.#stopped === undefined) await farewell(session).catch((error) => errors.push(error));
      this.#stopped ??= reason;
      errors.push(...(await this.#drop()));
    } finally {
      release();
    }
    for (const error of errors.slice(1)) this.#deps.log.log('warn', 'closing the database', { error: String(error) });
    if (errors.length > 0) throw errors[0];
  }

  async #open(): Promise<Session> {
    if (this.#stopped !== undefined) throw this.#stopped;
    const displaced = this.#session?.displaced();
    if (displaced !== undefined) {
      this.#deps.log.log('warn', 'the database is opened anew', { reason: displaced });
      this.#displaced = displaced;
      await this.#drop();
    }
    this.#session ??= await this.#openSession();
    return this.#session;
  }

  async #openSession(onOwned?: () => void): Promise<Session> {
    const start = { floor: this.#floor, demanded: this.#displaced, onOwned };
    const session = await Session.open(this.#settings, this.#openDeps, this.#deps, start);
    this.#displaced = undefined;
    return session;
  }

  async #drop(): Promise<unknown[]> {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return [];
    // The local files may be gone with what was replaced; their TXIDs must not be used again.
    const txid = session.capture.cursor?.txid;
    if (txid !== undefined) this.raise(txid);
    return session.close();
  }
}

export const stoppedError = (path: string): LitestreamError =>
  new LitestreamError('ENGINE_STOPPED', `replicating ${path}: the engine of this database has been closed`);
