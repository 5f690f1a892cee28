/** One SFTP session: the library's calls as promises, each of which ends at the latest with the session. */

import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2';
import { ExtensionMissing, SessionLost, STATUS, StatusError, statusOf } from './errors.ts';

/** What an open file is called on the wire. */
export type RemoteHandle = Buffer;

/** Facts of a file system (statvfs@openssh.com). */
export interface RemoteSpace {
  /** Bytes an ordinary user may still write. */
  readonly free: number;
  readonly readOnly: boolean;
  /** Identity of the file system as long as it is mounted, when the server knows. */
  readonly id: string | undefined;
}

export type Extension = 'posix-rename' | 'hardlink' | 'fsync' | 'statvfs';

type Answer<T> = (error: Error | null | undefined, value: T) => void;

const noop = (): void => {};

/**
 * Errors are those of the library (errors.ts maps them), SessionLost when the session has ended, ExtensionMissing for what the server lacks.
 * Nothing here takes a signal: what is asked cannot be taken back, and an answer nobody waits for is dropped.
 */
export class Session {
  readonly #raw: SFTPWrapper;
  readonly #tearDown: () => void;
  readonly #waiting = new Set<(error: unknown) => void>();
  readonly #answerMs: number;
  #lost: SessionLost | undefined;
  #timer: NodeJS.Timeout | undefined;
  #openFiles = 0;
  #users = 0;
  #isRetired = false;

  /** @param tearDown ends the connection at once. @param answerMs longest silence of the server while something is asked, ms. */
  constructor(raw: SFTPWrapper, tearDown: () => void, answerMs: number) {
    this.#raw = raw;
    this.#tearDown = tearDown;
    this.#answerMs = answerMs;
    raw.on('error', (error: Error) => this.end(`the server broke the protocol (${error.message})`));
    raw.on('close', () => this.end('the server closed the session'));
    raw.on('end', () => this.end('the server closed the session'));
  }

  get isLost(): boolean {
    return this.#lost !== undefined;
  }

  /** Nothing new is asked here. */
  get isRetired(): boolean {
    return this.#isRetired;
  }

  /**
   * Somebody has waited in vain: what is under way may go on, new work goes elsewhere. Ends the session when its work is done, and when it does
   * not answer a question within `answerMs`.
   */
  retire(answerMs: number): void {
    if (this.#isRetired || this.#lost !== undefined) return;
    this.#isRetired = true;
    const timer = setTimeout(() => this.end(`the server has not answered for ${answerMs / 1000} s`), answerMs).unref();
    void this.stat('.')
      .catch(noop)
      .then(() => {
        clearTimeout(timer);
        this.#endIfDone();
      });
  }

  #endIfDone(): void {
    if (this.#isRetired && this.#users + this.#openFiles + this.#waiting.size === 0) this.end('its work is done');
  }

  /** Runs work that needs this session from one question to the next. */
  async run<T>(work: (session: Session) => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      return await work(this);
    } finally {
      this.#users -= 1;
      this.#endIfDone();
    }
  }

  /** Ends the session and everything that waits in it. Safe to call twice. */
  end(reason: string): void {
    if (this.#lost !== undefined) return;
    this.#lost = new SessionLost(reason);
    clearTimeout(this.#timer);
    for (const fail of [...this.#waiting]) fail(this.#lost);
    this.#tearDown();
  }

  /** @param mode permission bits of a file that is made. */
  async open(path: string, flags: 'r' | 'wx', mode = 0o600): Promise<RemoteHandle> {
    const handle = await this.#ask<RemoteHandle>((answer) =>
      flags === 'r' ? this.#raw.open(path, flags, answer) : this.#raw.open(path, flags, { mode }, answer),
    );
    this.#openFiles += 1;
    return handle;
  }

  /** Never fails: what cannot be closed is gone with the session. */
  async close(handle: RemoteHandle): Promise<void> {
    await this.closeWritten(handle).catch(noop);
  }

  /** As `close`, of a file that was written: full disks and quotas may be told only now, and the error is passed on. */
  async closeWritten(handle: RemoteHandle): Promise<void> {
    try {
      await this.#ask<void>((answer) => this.#raw.close(handle, answer));
    } finally {
      this.#openFiles -= 1;
      this.#endIfDone();
    }
  }

  /** Bytes at a position, `length` of them unless the file ends before. */
  async read(handle: RemoteHandle, position: number, length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafeSlow(length);
    let got = 0;
    while (got < length) {
      const bytes = await this.#ask<number>((answer) =>
        this.#raw.read(handle, buffer, got, length - got, position + got, (error, count) => answer(error, count)),
      );
      if (bytes === 0) break;
      got += bytes;
    }
    return buffer.subarray(0, got);
  }

  /** The bytes are copied before it returns. */
  write(handle: RemoteHandle, bytes: Uint8Array, position: number): Promise<void> {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.#ask<void>((answer) => this.#raw.write(handle, buffer, 0, buffer.byteLength, position, answer));
  }

  /** Follows links. */
  stat(path: string): Promise<Stats> {
    return this.#ask((answer) => this.#raw.stat(path, answer));
  }

  fstat(handle: RemoteHandle): Promise<Stats> {
    return this.#ask((answer) => this.#raw.fstat(handle, answer));
  }

  /** @param seconds since the epoch, for access and modification. */
  setTime(handle: RemoteHandle, seconds: number): Promise<void> {
    return this.#ask<void>((answer) => this.#raw.futimes(handle, seconds, seconds, answer));
  }

  async openDirectory(path: string): Promise<RemoteHandle> {
    const handle = await this.#ask<RemoteHandle>((answer) => this.#raw.opendir(path, answer));
    this.#openFiles += 1;
    return handle;
  }

  /** The next names of an open directory; undefined after the last. */
  async readDirectory(handle: RemoteHandle): Promise<FileEntryWithStats[] | undefined> {
    try {
      return await this.#ask<FileEntryWithStats[]>((answer) => this.#raw.readdir(handle, answer));
    } catch (error) {
      if (statusOf(error) === STATUS.end) return undefined;
      throw error;
    }
  }

  makeDirectory(path: string, mode: number): Promise<void> {
    return this.#ask<void>((answer) => this.#raw.mkdir(path, { mode }, answer));
  }

  unlink(path: string): Promise<void> {
    return this.#ask<void>((answer) => this.#raw.unlink(path, answer));
  }

  /** Most servers refuse when the target exists. */
  rename(from: string, to: string): Promise<void> {
    return this.#ask<void>((answer) => this.#raw.rename(from, to, answer));
  }

  /** Replaces what is at the target, atomically. */
  posixRename(from: string, to: string): Promise<void> {
    return this.#extended<void>('posix-rename', (answer) => this.#raw.ext_openssh_rename(from, to, answer));
  }

  /** A second name for a file, which must be free. */
  hardlink(from: string, to: string): Promise<void> {
    return this.#extended<void>('hardlink', (answer) => this.#raw.ext_openssh_hardlink(from, to, answer));
  }

  fsync(handle: RemoteHandle): Promise<void> {
    return this.#extended<void>('fsync', (answer) => this.#raw.ext_openssh_fsync(handle, answer));
  }

  async space(path: string): Promise<RemoteSpace> {
    const found = await this.#extended<Record<string, number | undefined>>('statvfs', (answer) =>
      this.#raw.ext_openssh_statvfs(path, answer),
    );
    return {
      free: (found.f_bavail ?? 0) * (found.f_frsize ?? 0),
      readOnly: ((found.f_flag ?? 0) & 1) !== 0,
      id: found.f_sid === undefined || found.f_sid === 0 ? undefined : String(found.f_sid),
    };
  }

  /** The library throws at once when the server has not announced an extension. */
  #extended<T>(name: Extension, start: (answer: Answer<T>) => void): Promise<T> {
    return this.#ask<T>((answer) => {
      try {
        start(answer);
      } catch (error) {
        throw new ExtensionMissing(`${name}@openssh.com (${error instanceof Error ? error.message : String(error)})`);
      }
    });
  }

  #ask<T>(start: (answer: Answer<T>) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#lost !== undefined) return reject(this.#lost);
      const done = () => {
        this.#waiting.delete(fail);
        this.#answered();
      };
      const fail = (error: unknown) => {
        done();
        reject(error);
      };
      this.#waiting.add(fail);
      this.#timer ??= setTimeout(() => this.end(`the server has not answered for ${this.#answerMs / 1000} s`), this.#answerMs).unref();
      try {
        start((error, value) => {
          if (!error) {
            done();
            resolve(value);
          } else if (typeof (error as { code?: unknown }).code === 'number') {
            fail(new StatusError((error as Error & { code: number }).code, error.message));
          } else {
            // Not an answer. When the session is ending, its end says why, in a moment.
            setImmediate(() => fail(new SessionLost(error.message)));
          }
        });
      } catch (error) {
        fail(error);
      }
    });
  }

  /** From now on the server may be silent for the limit again, if it is still asked for something. */
  #answered(): void {
    if (this.#waiting.size > 0 && this.#lost === undefined) {
      this.#timer?.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
