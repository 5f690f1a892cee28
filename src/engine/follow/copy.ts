/** The copy of a follower: opened once, changed under SQLite's own locks, and never when somebody else has written to it. */

import { fstatSync, lstatSync } from 'node:fs';
import { Backoff } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { DATABASE_HEADER_SIZE, parseDatabaseHeader } from '../../formats/sqlite/database-header.ts';
import { Connection } from '../../sqlite/connection.ts';
import { sqliteError } from '../../sqlite/errors.ts';
import { diskError } from '../restore/disk.ts';
import { existsAtAll } from '../restore/output.ts';
import { makeChange, type OldPages, type PreparedChange } from './change.ts';
import type { FollowDisk } from './disk.ts';
import type { FollowPlaces } from './places.ts';

/** How long one attempt waits for readers; new ones wait behind it. ms. */
const BUSY_MS = 1000;
/** Pauses between attempts, in which readers have their way, ms. */
const BUSY_PAUSES = { initialMs: 500, capMs: 15_000 };

export interface CopyTools {
  readonly disk: FollowDisk;
  readonly clock: Clock;
  readonly places: FollowPlaces;
}

export class Copy {
  readonly #tools: CopyTools;
  readonly #fd: number;
  readonly #connection: Connection;

  private constructor(tools: CopyTools, fd: number, connection: Connection) {
    this.#tools = tools;
    this.#fd = fd;
    this.#connection = connection;
  }

  /**
   * Opens an existing copy and has SQLite put it in order after a crash. SECOND_WRITER when it is in WAL mode, which we never leave it in;
   * DB_BUSY while a reader is in the way; SQLITE_INVALID when it is no database.
   */
  static open(tools: CopyTools): Copy {
    const { disk, places } = tools;
    refuseWAL(places);
    // Before SQLite opens the file, and closed after it: closing a descriptor drops the locks of the process (decision 9).
    const fd = attempt(`opening ${places.copy}`, () => disk.open(places.copy));
    let connection: Connection | undefined;
    try {
      const { writeVersion, readVersion } = readHeader(disk, fd, places.copy);
      if (writeVersion !== 1 || readVersion !== 1) throw written(places, 'it is in WAL mode');
      connection = new Connection({ path: places.copy, busyTimeoutMs: BUSY_MS });
      const copy = new Copy(tools, fd, connection);
      copy.recover();
      return copy;
    } catch (error) {
      connection?.close();
      disk.close(fd);
      throw error;
    }
  }

  /** Has SQLite roll back a journal that a crash or a failed change left. */
  recover(): void {
    try {
      if (this.#connection.inTransaction) this.#connection.exec('ROLLBACK');
      this.#connection.row('PRAGMA schema_version');
    } catch (error) {
      throw sqliteError(error, `opening the copy ${this.#tools.places.copy}`);
    }
  }

  /** Change counter and shape, as they are in the file. */
  look(): OldPages & { readonly counter: number } {
    const { disk, places } = this.#tools;
    const { changeCounter, pageSize } = readHeader(disk, this.#fd, places.copy);
    return { fd: this.#fd, counter: changeCounter, pageSize, pages: Math.ceil(fstatSync(this.#fd).size / pageSize) };
  }

  /** SECOND_WRITER when the file was replaced, or has another change counter than our last change gave it. */
  requireUntouched(counter: number): void {
    const { places } = this.#tools;
    refuseWAL(places);
    const [here, there] = [fstatSync(this.#fd), lstatSync(places.copy, { throwIfNoEntry: false })];
    if (there?.ino !== here.ino || there.dev !== here.dev) throw written(places, 'the file was removed or replaced');
    if (this.look().counter !== counter) throw written(places, 'its change counter is not the one that was written last');
  }

  firstPage(): Uint8Array {
    const page = new Uint8Array(this.look().pageSize);
    this.#tools.disk.read(this.#fd, page, 0);
    return page;
  }

  /**
   * Makes a change that was prepared for the state with `counter`. Waits for readers as long as it takes and tells `onBusy` once; rejects with
   * the signal's reason after an abort. When making it fails, the copy is as it was.
   */
  async change(prepared: PreparedChange, counter: number, { signal, onBusy }: { signal: AbortSignal; onBusy: () => void }): Promise<void> {
    const { disk, places } = this.#tools;
    await this.#lock(signal, onBusy);
    try {
      this.requireUntouched(counter);
      attempt(`changing the copy ${places.copy}`, () => makeChange(disk, places, this.#fd, prepared));
      this.#connection.exec('ROLLBACK');
    } catch (error) {
      this.#putBack();
      throw error;
    }
  }

  close(): void {
    this.#connection.close();
    this.#tools.disk.close(this.#fd);
  }

  async #lock(signal: AbortSignal, onBusy: () => void): Promise<void> {
    const pauses = new Backoff(BUSY_PAUSES);
    for (;;) {
      signal.throwIfAborted();
      try {
        this.#connection.exec('BEGIN EXCLUSIVE');
        return;
      } catch (error) {
        const wrapped = sqliteError(error, `locking the copy ${this.#tools.places.copy}`);
        if (!hasCode(wrapped, 'DB_BUSY')) throw wrapped;
      }
      if (pauses.attempts === 0) onBusy();
      await this.#tools.clock.sleep(pauses.next(), { signal });
    }
  }

  /** The old pages come back now, or when the next one opens the copy. */
  #putBack(): void {
    try {
      this.recover();
    } catch {
      // What made the change fail is what counts.
    }
  }
}

function readHeader(disk: FollowDisk, fd: number, path: string) {
  if (fstatSync(fd).size < DATABASE_HEADER_SIZE)
    throw new LitestreamError('SQLITE_INVALID', `opening the copy ${path}: it is too short for a database`, { hint: startOver(path) });
  const bytes = new Uint8Array(DATABASE_HEADER_SIZE);
  disk.read(fd, bytes, 0);
  return parseDatabaseHeader(bytes);
}

function refuseWAL(places: FollowPlaces): void {
  if (existsAtAll(`${places.copy}-wal`)) throw written(places, `${places.copy}-wal exists`);
}

/** What a person deletes to begin again. */
export const startOver = (copy: string): string => `Delete ${copy} and ${copy}-txid to begin with a new copy.`;

function written({ copy }: FollowPlaces, found: string): LitestreamError {
  return new LitestreamError(
    'SECOND_WRITER',
    `following to ${copy}: another program has written to the copy (${found}); it is left as it is`,
    {
      hint: `Programs may only read the copy. Keep what was written if it is needed, close the programs that use it, then: ${startOver(copy)}`,
    },
  );
}

function attempt<T>(doing: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw diskError(error, doing);
  }
}
