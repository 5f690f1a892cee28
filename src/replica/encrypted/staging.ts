/** Ciphertext that was made once and is kept until its upload is confirmed, so that a retry sends the same bytes, also after a restart (decision 22). */

import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { fileBody } from '../../storage/body.ts';
import type { BodyUse, PutBody } from '../../storage/object-store.ts';
import type { Fingerprint } from '../collision.ts';

/** Leftovers of uploads that were given up go after this, ms. */
const ABANDONED_MS = 24 * 3600_000;
/** Level and range, end of the content, hash of the ciphertext, and for whom it was made. */
const NAME = /^(.+)\.([0-9a-f]{32})\.([0-9a-f]{64})\.([0-9a-f]{8})$/;
const CHUNK_BYTES = 1024 * 1024;

/** A file of ciphertext, by what tells it apart. */
export interface Staged {
  /** Absolute. */
  readonly path: string;
  /** Of all its bytes. */
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
}

export class CipherStaging {
  readonly #directory: string;
  readonly #recipients: string;
  #isReady = false;

  /**
   * @param directory absolute, for this replica alone; made when it is first needed.
   * @param recipients what was made for others before a rotation is not sent any more.
   */
  constructor(directory: string, recipients: readonly string[]) {
    this.#directory = directory;
    this.#recipients = createHash('sha256')
      .update([...recipients].sort().join('\n'))
      .digest('hex')
      .slice(0, 8);
  }

  /** Where a file is written before it is `keep`t. */
  async scratch(name: string): Promise<string> {
    await this.#prepare();
    return join(this.#directory, `${name}.tmp`);
  }

  /** The ciphertext that was made of this content before, if it is still there. Whether its bytes are still those it had is told when they are read. */
  async find(name: string, content: Fingerprint): Promise<Staged | undefined> {
    return (await this.#matching(name, content)).find(({ recipients }) => recipients === this.#recipients);
  }

  /** The same for whomever it was made: an upload whose answer was lost may have been of that. */
  async findAll(name: string, content: Fingerprint): Promise<readonly Staged[]> {
    return this.#matching(name, content);
  }

  /** Keeps what was written to a scratch file, in the place of what was kept of this name. */
  async keep(name: string, content: Fingerprint, made: Staged): Promise<Staged> {
    await this.#dropOf(name, (recipients) => recipients === this.#recipients);
    const path = join(this.#directory, `${name}.${hex(content.trailer)}.${made.sha256}.${this.#recipients}`);
    await rename(made.path, path).catch((error: unknown) => {
      throw diskError(error, `keeping ${path}`);
    });
    return { ...made, path };
  }

  /** As `keep`, for bytes in memory. */
  async keepBytes(name: string, content: Fingerprint, bytes: Uint8Array): Promise<Staged> {
    const path = await this.scratch(name);
    await writeFile(path, bytes, { mode: 0o600 }).catch((error: unknown) => {
      throw diskError(error, `writing ${path}`);
    });
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    return this.keep(name, content, { path, sha256, size: bytes.length });
  }

  /** It is confirmed, or of no use. */
  async drop(name: string): Promise<void> {
    await this.#dropOf(name, () => true);
  }

  async #dropOf(name: string, isMeant: (recipients: string) => boolean): Promise<void> {
    for (const { file, recipients } of await this.#all(name))
      if (isMeant(recipients)) await rm(join(this.#directory, file), { force: true });
  }

  async #matching(name: string, content: Fingerprint): Promise<(Staged & { readonly recipients: string })[]> {
    const found: (Staged & { readonly recipients: string })[] = [];
    for (const { file, trailer, sha256, recipients } of await this.#all(name)) {
      const path = join(this.#directory, file);
      const facts = trailer === hex(content.trailer) ? await stat(path).catch(() => undefined) : undefined;
      if (facts !== undefined) found.push({ path, sha256, size: facts.size, recipients });
    }
    return found;
  }

  async #all(name: string): Promise<Record<'file' | 'trailer' | 'sha256' | 'recipients', string>[]> {
    const files = await readdir(this.#directory).catch((error: unknown) => {
      if (systemCode(error) === 'ENOENT') return [];
      throw diskError(error, `looking into ${this.#directory}`);
    });
    return files.flatMap((file) => {
      const [, of, trailer = '', sha256 = '', recipients = ''] = NAME.exec(file) ?? [];
      return of === name ? [{ file, trailer, sha256, recipients }] : [];
    });
  }

  async #prepare(): Promise<void> {
    if (this.#isReady) return;
    await mkdir(this.#directory, { recursive: true, mode: 0o700 }).catch((error: unknown) => {
      throw diskError(error, `making ${this.#directory}`);
    });
    await this.#sweep();
    this.#isReady = true;
  }

  async #sweep(): Promise<void> {
    for (const file of await readdir(this.#directory)) {
      if (!NAME.test(file) && !file.endsWith('.tmp')) continue;
      const path = join(this.#directory, file);
      const facts = await stat(path).catch(() => undefined);
      if (facts === undefined || (!file.endsWith('.tmp') && Date.now() - facts.mtimeMs < ABANDONED_MS)) continue;
      await unlink(path).catch(() => {}); // tried again at the next start
    }
  }
}

/** The kept bytes as what is put. They are hashed again on their way: the last of them come only if all are those that were made. */
export function stagedBody(staged: Staged): PutBody {
  return { size: staged.size, open: (use) => checked(staged, use) };
}

async function* checked({ path, sha256, size }: Staged, use: BodyUse | undefined): AsyncGenerator<Uint8Array, void, void> {
  const hash = createHash('sha256');
  let read = 0;
  try {
    for await (const chunk of fileBody(path, size).open(use)) {
      hash.update(chunk);
      read += chunk.length;
      if (read > size || (read === size && hash.digest('hex') !== sha256)) throw await changed(path);
      yield chunk;
    }
  } catch (error) {
    throw diskError(error, `reading ${path}`);
  }
  if (read < size) throw await changed(path);
}

async function changed(path: string): Promise<LitestreamError> {
  await rm(path, { force: true });
  return new LitestreamError('READ_TRUNCATED', `sending ${path}: the disk has changed the ciphertext; it is made anew`);
}

/** Writes chunks to a new file at `path` and hashes them; nothing is left of it after a failure. */
export async function writeStaged(path: string, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<Staged> {
  const hash = createHash('sha256');
  let size = 0;
  // A new buffer for each write would be most of the garbage of an upload.
  const buffer = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  let used = 0;
  const handle = await open(path, 'w', 0o600).catch((error: unknown) => {
    throw diskError(error, `creating ${path}`);
  });
  const write = async (bytes: Uint8Array): Promise<void> => {
    await handle.writeFile(bytes).catch((error: unknown) => {
      throw diskError(error, `writing ${path}`);
    });
  };
  try {
    for await (const chunk of chunks) {
      hash.update(chunk);
      size += chunk.length;
      if (used + chunk.length > buffer.length) {
        await write(buffer.subarray(0, used));
        used = 0;
      }
      if (chunk.length > buffer.length) await write(chunk);
      else {
        buffer.set(chunk, used);
        used += chunk.length;
      }
    }
    await write(buffer.subarray(0, used));
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
  return { path, sha256: hash.digest('hex'), size };
}

function diskError(error: unknown, what: string): unknown {
  const code = error instanceof LitestreamError ? undefined : systemCode(error);
  if (code === undefined) return error;
  const isFull = code === 'ENOSPC' || code === 'EDQUOT';
  return new LitestreamError(isFull ? 'DISK_FULL' : 'STORAGE_UNAVAILABLE', `${what}: ${code}`, { cause: error });
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex').padStart(32, '0');
