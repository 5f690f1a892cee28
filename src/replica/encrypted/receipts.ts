/** What was put where, by its ends: tells a file of ours at a replica from another one without being able to decrypt it. */

import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Fingerprint } from '../collision.ts';

/** Files that are remembered: the local log has fewer. */
const MOST = 4096;

/** One file, before and after encryption. */
export interface Receipt {
  readonly content: Fingerprint;
  /** The end of the ciphertext is the tag of its last chunk. */
  readonly stored: Fingerprint;
}

/** Best effort: what is lost costs a full file at a host without an identity, and a decryption elsewhere. */
export class Receipts {
  readonly #path: string | undefined;
  readonly #known = new Map<string, Receipt>();
  #lines = 0;
  #loaded: Promise<void> | undefined;

  /** @param path absolute; without it nothing is remembered across restarts. */
  constructor(path: string | undefined) {
    this.#path = path;
  }

  /** @param name level and range. */
  async find(name: string): Promise<Receipt | undefined> {
    await this.#load();
    return this.#known.get(name);
  }

  async add(name: string, receipt: Receipt): Promise<void> {
    await this.#load();
    this.#remember(name, receipt);
    if (this.#path === undefined) return;
    try {
      if (this.#lines === 0) await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      if (this.#lines < 2 * MOST) await appendFile(this.#path, lineOf(name, receipt), { mode: 0o600 });
      else await this.#rewrite(this.#path);
      this.#lines += 1;
    } catch {
      // known in this process all the same
    }
  }

  #remember(name: string, receipt: Receipt): void {
    this.#known.delete(name);
    this.#known.set(name, { content: ownBytes(receipt.content), stored: ownBytes(receipt.stored) });
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST && oldest !== undefined) this.#known.delete(oldest);
  }

  async #rewrite(path: string): Promise<void> {
    await writeFile(`${path}.new`, [...this.#known].map(([name, receipt]) => lineOf(name, receipt)).join(''), { mode: 0o600 });
    await rename(`${path}.new`, path);
    this.#lines = this.#known.size;
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#read();
    return this.#loaded;
  }

  async #read(): Promise<void> {
    if (this.#path === undefined) return;
    try {
      const lines = (await readFile(this.#path, 'utf8')).split('\n');
      this.#lines = lines.length;
      for (const line of lines) {
        const [, name, size, end, storedSize, storedEnd] = LINE.exec(line) ?? [];
        if (name === undefined) continue; // the last line of a process that was killed
        this.#remember(name, { content: fingerprint(size, end), stored: fingerprint(storedSize, storedEnd) });
      }
    } catch {
      // none yet
    }
  }
}

const LINE = /^(\S+) (\d+) ([0-9a-f]{32}) (\d+) ([0-9a-f]{32})$/;

const fingerprint = (size = '', end = ''): Fingerprint => ({ size: Number(size), trailer: Buffer.from(end, 'hex') });

/** The end of a file in memory is a view, which would keep the whole file. */
const ownBytes = ({ size, trailer }: Fingerprint): Fingerprint => ({ size, trailer: Uint8Array.from(trailer) });

const lineOf = (name: string, { content, stored }: Receipt): string =>
  `${name} ${content.size} ${hex(content.trailer)} ${stored.size} ${hex(stored.trailer)}\n`;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
