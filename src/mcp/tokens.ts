/** Who a bearer token belongs to: one token from the settings and a file of hashed ones (docs/mcp.md, Who may do what). */

import { createHash, timingSafeEqual } from 'node:crypto';
import { type FSWatcher, unwatchFile, watch, watchFile } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Secret } from '../base/secret.ts';
import type { Scope } from '../control/caller.ts';
import type { TokenEntry } from './token-entry.ts';
import { parseTokenFile, readTokenFile } from './token-file.ts';

export interface TokenOptions {
  readonly token?: Secret;
  readonly tokenScopes: readonly Scope[];
  readonly tokenFile?: string;
}

/** Longer ones are refused before anything is computed. */
const MAX_TOKEN_LENGTH = 512;

const POLL_MS = 5_000;
/** Editors write a file in several steps; they are read as one. */
const SETTLE_MS = 100;

/** The tokens of one server. `open` before use, `close` to stop watching the file. */
export class Tokens {
  readonly #options: TokenOptions;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #single: readonly TokenEntry[];
  #fromFile: readonly TokenEntry[] = [];
  #onChange: () => void = () => {};
  #watcher: FSWatcher | undefined;
  #pending: NodeJS.Timeout | undefined;

  constructor(options: TokenOptions, clock: Clock, log: Logger) {
    this.#options = options;
    this.#clock = clock;
    this.#log = log;
    this.#single =
      options.token === undefined ? [] : [{ name: 'token', digest: digestOf(options.token.reveal()), scopes: options.tokenScopes }];
  }

  /** True when calls need a token, even if the file names none at present. */
  get required(): boolean {
    return this.#options.token !== undefined || this.#options.tokenFile !== undefined;
  }

  /** Entries now, for the start-up line. */
  get entries(): readonly TokenEntry[] {
    return [...this.#single, ...this.#fromFile];
  }

  /** Reads the file and follows it; `onChange` runs after each accepted change. Throws CONFIG_INVALID when it cannot be used. */
  async open(onChange: () => void): Promise<void> {
    this.#onChange = onChange;
    const path = this.#options.tokenFile;
    if (path === undefined) return;
    this.#fromFile = parseTokenFile(await readTokenFile(path), path);
    watchFile(path, { interval: POLL_MS, persistent: false }, () => this.#reloadSoon());
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, (_event, name) => {
        if (name === basename(path)) this.#reloadSoon();
      });
      this.#watcher.on('error', () => {});
    } catch {
      // Where directories cannot be watched, the poll is enough.
    }
  }

  close(): void {
    if (this.#options.tokenFile !== undefined) unwatchFile(this.#options.tokenFile);
    this.#watcher?.close();
    clearTimeout(this.#pending);
  }

  /** Reads the file again. One that cannot be used leaves the old tokens in force and is reported; one that is gone revokes them all. */
  async reload(): Promise<void> {
    const path = this.#options.tokenFile;
    if (path === undefined) return;
    try {
      this.#fromFile = parseTokenFile(await readTokenFile(path), path);
    } catch (error) {
      if (!(error instanceof LitestreamError) || error.code !== 'CONFIG_NOT_FOUND') {
        this.#log.log('error', 'token file not accepted, the tokens read before stay in force', { path, error });
        return;
      }
      this.#fromFile = [];
    }
    this.#log.log('info', 'token file read', { path, tokens: this.#fromFile.length });
    this.#onChange();
  }

  #reloadSoon(): void {
    clearTimeout(this.#pending);
    this.#pending = setTimeout(() => void this.reload(), SETTLE_MS);
    this.#pending.unref();
  }

  /** The entry of a presented token; undefined when unknown, expired or too long. Compares with every entry, whichever matches. */
  find(presented: string): TokenEntry | undefined {
    if (presented.length > MAX_TOKEN_LENGTH) return undefined;
    const digest = digestOf(presented);
    let found: TokenEntry | undefined;
    for (const entry of this.entries) {
      const equal = timingSafeEqual(entry.digest, digest);
      found = equal ? entry : found;
    }
    return found !== undefined && this.#isCurrent(found) ? found : undefined;
  }

  /** True while `entry` is accepted with the same rights as when it was found. */
  accepts(entry: TokenEntry): boolean {
    return this.entries.some(
      (now) => this.#isCurrent(now) && now.name === entry.name && now.digest.equals(entry.digest) && sameRights(now, entry),
    );
  }

  #isCurrent(entry: TokenEntry): boolean {
    return entry.expires === undefined || this.#clock.now() < entry.expires;
  }
}

/** The token of an `Authorization` header; undefined when there is none of the Bearer scheme. */
export function bearerToken(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^Bearer +(\S+) *$/i.exec(header.slice(0, MAX_TOKEN_LENGTH + 16))?.[1];
}

const digestOf = (token: string): Buffer => createHash('sha256').update(token).digest();

function sameRights(a: TokenEntry, b: TokenEntry): boolean {
  const sorted = (words: readonly string[] | undefined) => words?.toSorted().join('\n');
  return sorted(a.scopes) === sorted(b.scopes) && sorted(a.databases) === sorted(b.databases);
}
