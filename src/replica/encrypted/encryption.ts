/** What makes a replica an encrypted one: who can read its files, and how new ones are made (docs/engine.md, Encryption). */

import { createHash } from 'node:crypto';
import { hasCode, LitestreamError } from '../../base/errors.ts';
import { formatLTXName } from '../../formats/ltx/filename.ts';
import type { ObjectInfo, ObjectStore, PutBody } from '../../storage/object-store.ts';
import type { EncryptionSettings } from '../../storage/spec.ts';
import { type Collision, type Fingerprint, isSameFile, secondWriter, settleCollision, tailOf } from '../collision.ts';
import { EncryptedFiles } from './files.ts';
import { Sealing, type SealingOptions } from './sealing.ts';

/** What a replica has in the end of every name of an encrypted file. */
export const ENCRYPTED_SUFFIX = '.age';

/** A file that is put. */
export interface SealedPut extends Omit<Collision, 'cause'> {
  readonly put: (body: PutBody) => Promise<ObjectInfo>;
}

export class Encryption {
  readonly files: EncryptedFiles;
  /** Undefined for a reader, who has no recipients. */
  readonly sealing: Sealing | undefined;
  readonly #store: ObjectStore;

  constructor(store: ObjectStore, { recipients, identities = [] }: EncryptionSettings, options: Omit<SealingOptions, 'recipients'> = {}) {
    this.#store = store;
    this.files = new EncryptedFiles(store, identities);
    this.sealing = recipients.length === 0 ? undefined : new Sealing({ ...options, recipients });
  }

  /** Encrypts and puts. `put` fails with PRECONDITION_FAILED where a file of this name exists; what that means is settled here, as for plain files. */
  async write({ put, ...file }: SealedPut): Promise<ObjectInfo> {
    const { sealing } = this;
    if (sealing === undefined) throw noRecipients(this.#store.destination);
    const name = nameOf(file);
    const { body, receipt } = await sealing.seal(name, file.body, file.signal);
    let stored: ObjectInfo;
    try {
      stored = await put(body);
    } catch (cause) {
      if (!(cause instanceof LitestreamError) || cause.code !== 'PRECONDITION_FAILED') throw cause;
      const existing = await this.#store.stat(file.key, { signal: file.signal });
      const ours = await this.#findStored(existing, [receipt.stored, ...(await sealing.known(name, receipt.content))], file);
      if (ours === undefined) {
        const adopted = await this.#settle({ ...file, cause }, existing, receipt.stored);
        // What it holds is known by its own ciphertext only.
        await sealing.forget(name);
        return adopted;
      }
      await sealing.confirmed(name, { content: receipt.content, stored: ours });
      return existing;
    }
    this.files.forget(file.key);
    await sealing.confirmed(name, receipt);
    return stored;
  }

  /** Encrypts, puts in the place of what stands there, and reads it back: READ_TRUNCATED when something else stands there then. */
  async rekey({ put, ...file }: SealedPut): Promise<ObjectInfo> {
    const { sealing } = this;
    if (sealing === undefined) throw noRecipients(this.#store.destination);
    const name = nameOf(file);
    const { body, receipt } = await sealing.seal(name, file.body, file.signal);
    let stored: ObjectInfo;
    try {
      stored = await put(body);
    } catch (error) {
      if (!hasCode(error, 'PRECONDITION_FAILED')) throw error;
      // The answer to an earlier attempt may have been lost.
      stored = await this.#store.stat(file.key, { signal: file.signal });
      if ((await this.#findStored(stored, [receipt.stored], file)) === undefined) {
        await sealing.forget(name);
        throw error;
      }
    }
    this.files.forget(file.key);
    const there = await digestOf((await this.#store.open(file.key, { signal: file.signal, transient: true })).body);
    if (there !== (await digestOf(body.open()))) {
      throw new LitestreamError('READ_TRUNCATED', `reading ${file.key} of ${this.#store.destination} back: it is not what was written`, {
        hint: 'Run it again; the content is written anew. If this repeats, the destination does not keep what it is given.',
      });
    }
    await sealing.confirmed(name, receipt);
    return stored;
  }

  /**
   * Whether the object under `key` is the file whose content is `ours`: by the ends of the ciphertext where it is ours, else by decrypting its end.
   * Undefined when it cannot be told without an identity. OBJECT_NOT_FOUND when there is none.
   */
  async holds(
    { key, ...file }: Pick<Collision, 'key' | 'level' | 'minTXID' | 'maxTXID' | 'signal'>,
    ours: Fingerprint,
  ): Promise<boolean | undefined> {
    const stored = await this.#store.stat(key, { signal: file.signal });
    const known = (await this.sealing?.known(nameOf(file), ours)) ?? [];
    if ((await this.#findStored(stored, known, file)) !== undefined) return true;
    if (!this.files.canRead) return undefined;
    // Whose it is must not be told of what stood there before.
    this.files.forget(key);
    const existing = { ...stored, size: await this.files.size(key, { signal: file.signal }) };
    return isSameFile(ours, { size: existing.size, trailer: await tailOf(this.files, existing, file.signal) });
  }

  async close(): Promise<void> {
    await this.sealing?.close();
  }

  /** Which of the candidates stands there; undefined when none does. */
  async #findStored(
    existing: ObjectInfo,
    candidates: readonly Fingerprint[],
    { signal }: Pick<Collision, 'signal'>,
  ): Promise<Fingerprint | undefined> {
    const possible = candidates.filter(({ size }) => size === existing.size);
    if (possible.length === 0) return undefined;
    const theirs = { size: existing.size, trailer: await tailOf(this.#store, existing, signal) };
    return possible.find((one) => isSameFile(one, theirs));
  }

  /** It is not what was put. */
  async #settle(collision: Collision, existing: ObjectInfo, stored: Fingerprint): Promise<ObjectInfo> {
    const { key, level, signal } = collision;
    if (this.files.canRead) {
      this.files.forget(key);
      await settleCollision(this.files, collision);
      return existing;
    }
    // Nobody here can look into it: at higher levels a file of this range and size is taken for one that was merged of the same files.
    const claimed = level === 0 ? undefined : await this.files.claimedSize(key, { signal });
    if (claimed !== undefined && claimed === collision.body.size) return existing;
    const theirs = { size: existing.size, trailer: await tailOf(this.#store, existing, signal) };
    throw secondWriter(this.#store.destination, collision, stored, theirs);
  }
}

async function digestOf(bytes: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of bytes) hash.update(chunk);
  return hash.digest('hex');
}

const nameOf = ({ level, minTXID, maxTXID }: Pick<Collision, 'level' | 'minTXID' | 'maxTXID'>): string =>
  `${level}-${formatLTXName({ minTXID, maxTXID })}`;

/** Files there are encrypted, and nothing says for whom new ones are to be. */
export const noRecipients = (destination: string): LitestreamError =>
  new LitestreamError(
    'NOT_SUPPORTED',
    `nothing is written to ${destination}: its files are encrypted, and no age recipients are configured`,
    {
      hint: 'Add age.recipients to the replica, or give it another destination. Plain files never stand beside encrypted ones.',
    },
  );

/** Plain files where encrypted ones belong (decision 74). */
export const plainAmongEncrypted = (destination: string, key: string): LitestreamError =>
  new LitestreamError('NOT_SUPPORTED', `the replica at ${destination} is to be encrypted, but holds plain files: ${key}`, {
    hint: 'Give the encrypted replica a destination of its own, or take age.recipients away to go on in plain. If another program writes there, stop it and remove its files.',
  });

/** Encrypted files where nothing says that there are any. */
export const encryptedWithoutKeys = (destination: string): LitestreamError =>
  new LitestreamError('NOT_SUPPORTED', `the replica at ${destination} holds encrypted files`, {
    hint: 'Give the age identities it was encrypted for (age.identities, or LITESTREAM_AGE_IDENTITY with a URL; age.recipients to write there), or another destination.',
  });
