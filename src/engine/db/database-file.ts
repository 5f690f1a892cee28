/** The one descriptor of the live database file (decision 9): opened before SQLite opens it, closed after SQLite closed it. */

import { closeSync, fstatSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { type ReadAt, readFully } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { DATABASE_HEADER_SIZE, parseDatabaseHeader } from '../../formats/sqlite/database-header.ts';
import { fileError } from './publish-fs.ts';

export class DatabaseFile {
  readonly path: string;
  readonly #watchedPath: string;
  readonly #identity: string;
  readonly #fd: number;
  #open = true;

  private constructor(path: string, watchedPath: string, fd: number, stat: Stats) {
    this.path = path;
    this.#watchedPath = watchedPath;
    this.#fd = fd;
    this.#identity = identityOf(stat);
  }

  /**
   * Opens and checks the header. DB_INVALID when it is no SQLite database. `watchedPath` may lead to it through symbolic links.
   *
   * Only for a file that no connection of this process has open: the descriptor is closed again when the check fails.
   */
  static open(path: string, watchedPath: string = path): DatabaseFile {
    let fd: number;
    try {
      fd = openSync(path, 'r');
    } catch (error) {
      throw fileError(error, `opening ${path}`);
    }
    try {
      const file = new DatabaseFile(path, watchedPath, fd, fstatSync(fd));
      parseDatabaseHeader(file.readHeader());
      return file;
    } catch (error) {
      closeSync(fd);
      if (!(error instanceof LitestreamError)) throw fileError(error, `reading ${path}`);
      throw new LitestreamError('DB_INVALID', `opening ${path}: it is not a SQLite database`, {
        cause: error,
        ...(error.hint === undefined ? {} : { hint: error.hint }),
      });
    }
  }

  /** Bytes. */
  get size(): number {
    return fstatSync(this.#fd).size;
  }

  readonly read: ReadAt = (position, into) => readSync(this.#fd, into, 0, into.length, position);

  /** The first 100 bytes, fewer when the file is shorter. */
  readHeader(): Uint8Array {
    const bytes = new Uint8Array(DATABASE_HEADER_SIZE);
    return bytes.subarray(0, readFully(this.read, 0, bytes));
  }

  /** True when the watched path names another file now, or none. Looks at the path without opening it. */
  isReplaced(): boolean {
    const stat = statSync(this.#watchedPath, { throwIfNoEntry: false });
    return stat === undefined || identityOf(stat) !== this.#identity;
  }

  /** Only after every SQLite connection to it is closed. Safe to call twice. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }
}

const identityOf = (stat: Stats): string => `${stat.dev}:${stat.ino}`;
