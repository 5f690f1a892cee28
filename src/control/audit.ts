/** The record of everything that changed something: one line before, one after, refused when it cannot be written (docs/mcp.md, Record). */

import { randomBytes } from 'node:crypto';
import { closeSync, constants, fchmodSync, fstatSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import { redactDeep } from '../base/redact.ts';
import type { Effect } from './caller.ts';

export interface AuditEntry {
  /** RFC 3339, UTC. */
  readonly time: string;
  /** The same in both lines of one call. */
  readonly id: string;
  readonly stage: 'before' | 'after' | 'refused';
  readonly principal: string;
  readonly door: string;
  readonly verb: string;
  readonly effect: Effect;
  readonly database?: string;
  /** Redacted. */
  readonly args?: unknown;
  readonly plan_id?: string;
  /** `allowed`, or `refused` and the code. */
  readonly decision: string;
  readonly confirmed_by?: 'none' | 'elicitation' | 'operator';
  readonly result?: string;
  readonly duration_ms?: number;
  readonly bytes?: number;
}

/** Takes one entry; throws when it could not be kept. */
export type AuditSink = (entry: AuditEntry) => void;

export const newAuditId = (): string => `a-${randomBytes(6).toString('hex')}`;

/** Appends JSON lines to a file of mode 0600 and moves it to `PATH.1` when it grows over `maxBytes`. */
export class AuditFile {
  readonly #path: string;
  readonly #maxBytes: number;

  constructor(file: string, maxBytes = 16 * 1024 * 1024) {
    this.#path = file;
    this.#maxBytes = maxBytes;
  }

  /** Durable when it returns; throws AUDIT_UNAVAILABLE. */
  readonly write: AuditSink = (entry) => {
    try {
      this.#append(`${escapeUnprintable(JSON.stringify(redactDeep(entry)))}\n`);
    } catch (cause) {
      throw new LitestreamError('AUDIT_UNAVAILABLE', `writing to the audit log ${this.#path}`, {
        cause,
        hint: 'Make the audit log writable; until then nothing is changed.',
      });
    }
  };

  #append(line: string): void {
    mkdirSync(path.dirname(this.#path), { recursive: true, mode: 0o700 });
    const fd = openSync(this.#path, constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0), 0o600);
    try {
      const facts = fstatSync(fd);
      if (!facts.isFile()) throw new Error('it is not a regular file');
      if ((facts.mode & 0o777) !== 0o600) fchmodSync(fd, 0o600);
      const bytes = Buffer.from(line);
      if (writeSync(fd, bytes) !== bytes.length) throw new Error('the line was cut short');
      fsyncSync(fd);
      if (facts.size + bytes.length > this.#maxBytes) renameSync(this.#path, `${this.#path}.1`);
    } finally {
      closeSync(fd);
    }
  }
}

/** JSON escapes C0 itself; what else a terminal or a reader might act on is written as \uXXXX. */
function escapeUnprintable(json: string): string {
  return json.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    Array.from({ length: character.length }, (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`).join(''),
  );
}
