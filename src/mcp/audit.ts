/** The record of who called what: JSON lines in a file of mode 0600 (mcp.md §14). */

import { type FileHandle, open, rename } from 'node:fs/promises';
import { LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Effect } from '../control/verb.ts';

export interface AuditLine {
  /** RFC 3339. */
  readonly time: string;
  readonly id: string;
  readonly principal: string;
  readonly transport: string;
  readonly era: string;
  /** What the client calls itself: a claim. */
  readonly client?: string;
  readonly tool: string;
  readonly effect: Effect;
  readonly database?: string;
  /** Redacted. */
  readonly args: unknown;
  readonly plan_id?: string;
  readonly decision: string;
  readonly confirmed_by: 'none' | 'elicitation';
  readonly result?: string;
  readonly duration_ms?: number;
  readonly bytes?: number;
}

/** At this size the file becomes NAME.1 and a new one begins. */
const ROTATE_BYTES = 16 * 1024 * 1024;

export class AuditLog {
  readonly #path: string | undefined;
  readonly #log: Logger;
  readonly #rotateBytes: number;
  #file: FileHandle | undefined;
  #size = 0;
  #queue: Promise<void> = Promise.resolve();

  /** Without a path lines go to the log at debug level only. */
  constructor(path: string | undefined, log: Logger, rotateBytes = ROTATE_BYTES) {
    this.#path = path;
    this.#log = log;
    this.#rotateBytes = rotateBytes;
  }

  /** Writes one line after those before it. Rejects when the file cannot be written: whatever acts must then not act. */
  write(line: AuditLine): Promise<void> {
    const path = this.#path;
    if (path === undefined) {
      this.#log.log('debug', 'mcp call', { audit: line });
      return Promise.resolve();
    }
    const written = this.#queue.then(() => this.#append(path, `${JSON.stringify(line)}\n`));
    this.#queue = written.catch(() => {});
    return written;
  }

  /** Writes one line and reports a failure to the log only: for what has already happened, and for reads. */
  async note(line: AuditLine): Promise<void> {
    try {
      await this.write(line);
    } catch (error) {
      this.#log.log('error', 'audit line lost', { tool: line.tool, error });
    }
  }

  async close(): Promise<void> {
    await this.#queue;
    await this.#file?.close();
    this.#file = undefined;
  }

  async #append(path: string, text: string): Promise<void> {
    try {
      if (this.#size >= this.#rotateBytes) await this.#rotate(path);
      this.#file ??= await this.#open(path);
      await this.#file.appendFile(text);
      this.#size += Buffer.byteLength(text);
    } catch (cause) {
      throw new LitestreamError('INTERNAL', `cannot write the audit log ${path}`, { cause });
    }
  }

  async #open(path: string): Promise<FileHandle> {
    const file = await open(path, 'a', 0o600);
    await file.chmod(0o600);
    this.#size = (await file.stat()).size;
    return file;
  }

  async #rotate(path: string): Promise<void> {
    await this.#file?.close();
    this.#file = undefined;
    await rename(path, `${path}.1`);
    this.#size = 0;
  }
}
