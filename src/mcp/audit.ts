/** One line per call with what only this door knows; what acts is recorded by control as well, before and after, or does not happen (docs/mcp.md, Record). */

import { appendFile, rename, stat } from 'node:fs/promises';
import type { Logger } from '../base/log.ts';
import type { Effect } from '../control/caller.ts';

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
  /** `allowed`, or `refused` and the code. */
  readonly decision: string;
  readonly confirmed_by: 'none' | 'elicitation';
  readonly result: string;
  readonly duration_ms: number;
  /** Of the text channel. */
  readonly bytes?: number;
}

/** At this size the file becomes NAME.1 and a new one begins. */
const ROTATE_BYTES = 16 * 1024 * 1024;
/** Lines waiting for a slow disk; beyond it the oldest calls stay and new ones are counted as lost. */
const MOST_WAITING = 1_000;

export class AuditLog {
  readonly #path: string | undefined;
  readonly #log: Logger;
  readonly #rotateBytes: number;
  #waiting: string[] = [];
  #writing: Promise<void> | undefined;

  /** Without a path lines go to the log at debug level only. */
  constructor(path: string | undefined, log: Logger, rotateBytes = ROTATE_BYTES) {
    this.#path = path;
    this.#log = log;
    this.#rotateBytes = rotateBytes;
  }

  /** Queues a line. A file that cannot be written is reported to the log and stops nobody. */
  note(line: AuditLine): void {
    if (this.#path === undefined) {
      this.#log.log('debug', 'mcp call', { audit: line });
      return;
    }
    if (this.#waiting.length >= MOST_WAITING) {
      this.#log.log('error', 'audit line lost: the disk is too slow', { tool: line.tool });
      return;
    }
    this.#waiting.push(`${JSON.stringify(line)}\n`);
    this.#writing ??= this.#writeAll(this.#path);
  }

  /** Resolves when all lines are written. */
  async close(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(path: string): Promise<void> {
    while (this.#waiting.length > 0) {
      const lines = this.#waiting;
      this.#waiting = [];
      try {
        // Opened anew each time: control appends to the same file and may have moved it on.
        await this.#rotate(path);
        await appendFile(path, lines.join(''), { mode: 0o600 });
      } catch (error) {
        this.#log.log('error', 'audit lines lost', { path, lines: lines.length, error });
      }
    }
    this.#writing = undefined;
  }

  async #rotate(path: string): Promise<void> {
    const size = await stat(path).then(
      (facts) => facts.size,
      () => 0,
    );
    if (size >= this.#rotateBytes) await rename(path, `${path}.1`);
  }
}
