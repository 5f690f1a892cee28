/** What makes a replica an encrypted one: who can read its files, and how new ones are made (docs/engine.md, Encryption). */

import { LitestreamError } from '../../base/errors.ts';
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
      stored = await this.#settle({ ...file, cause }, receipt.stored);
      if (!(await this.#isStored(stored, receipt.stored, file))) {
        // Adopted: what it holds is known by its own ciphertext only.
        await sealing.forget(name);
        return stored;
      }
    }
    this.files.forget(file.key);
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
    const receipt = await this.sealing?.known(nameOf(file), ours);
    if (receipt !== undefined && isSameFile(receipt.content, ours)) {
      const existing = await this.#store.stat(key, { signal: file.signal });
      if (await this.#isStored(existing, receipt.stored, file)) return true;
    }
    if (!this.files.canRead) {
      await this.#store.stat(key, { signal: file.signal });
      return undefined;
    }
    const existing = await this.files.stat(key, { signal: file.signal });
    return isSameFile(ours, { size: existing.size, trailer: await tailOf(this.files, existing, file.signal) });
  }

  async close(): Promise<void> {
    await this.sealing?.close();
  }

  async #isStored(existing: ObjectInfo, stored: Fingerprint, { signal }: Pick<Collision, 'signal'>): Promise<boolean> {
    if (existing.size !== stored.size) return false;
    return isSameFile(stored, { size: existing.size, trailer: await tailOf(this.#store, existing, signal) });
  }

  async #settle(collision: Collision, stored: Fingerprint): Promise<ObjectInfo> {
    const { key, level, signal } = collision;
    const existing = await this.#store.stat(key, { signal });
    if (await this.#isStored(existing, stored, collision)) return existing;
    if (this.files.canRead) {
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
    hint: 'Give the age identities it was encrypted for (age.identities, and age.recipients to write there), or another destination.',
  });
