/** Headers of age files: made for recipients, opened with identities (https://age-encryption.org/v1). Keys and stanzas are the package's. */

import type { Decrypter, Encrypter } from 'age-encryption';
import { LitestreamError } from '../../base/errors.ts';

/** What every age file begins with. */
export const AGE_MAGIC = new TextEncoder().encode('age-encryption.org/v1');

/** Longest header that is read, bytes: a dozen post-quantum recipients have 20 KiB. */
export const LONGEST_HEADER = 64 * 1024;

/** What the package says when it has read a header and none of the identities opens it. */
const NO_MATCH = 'no identity matched';

/** Bytes of a payload behind the header of a file without content: nonce and one tag. */
const EMPTY_PAYLOAD = 32;

/** A header with the key that it holds for its recipients. Plain data: may cross a thread, but is never written anywhere. */
export interface MadeHeader {
  readonly header: Uint8Array;
  /** Secret, 16 bytes; for one file only. */
  readonly fileKey: Uint8Array;
}

/** A header for `recipients` (`age1…`, at least one), with a new key. CONFIG_INVALID for a recipient that is none. */
export async function makeHeader(recipients: readonly string[]): Promise<MadeHeader> {
  const encrypter = await encrypterFor(recipients);
  let fileKey: Uint8Array | undefined;
  // A recipient like any other, but one that keeps the key and adds nothing to the header.
  encrypter.addRecipient({
    wrapFileKey: (key) => {
      fileKey = key.slice();
      return [];
    },
  });
  const whole = await encrypter.encrypt(new Uint8Array(0));
  if (fileKey === undefined) throw new LitestreamError('INTERNAL', 'age has made a header without a key');
  return { header: whole.slice(0, whole.length - EMPTY_PAYLOAD), fileKey };
}

/** The package, set up for `recipients`. CONFIG_INVALID for one that is none. */
async function encrypterFor(recipients: readonly string[]): Promise<Encrypter> {
  const age = await import('age-encryption');
  const encrypter = new age.Encrypter();
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient);
    } catch (cause) {
      throw new LitestreamError('CONFIG_INVALID', `"${recipient}" is not an age recipient that can be used`, {
        cause,
        hint: 'Recipients begin with age1, as age-keygen -y prints them; SSH keys and passphrases are not supported.',
      });
    }
  }
  return encrypter;
}

/** The package, set up with `identities`. CONFIG_INVALID for one that is none, never quoting it. */
export async function decrypterOf(identities: readonly string[]): Promise<Decrypter> {
  const age = await import('age-encryption');
  const decrypter = new age.Decrypter();
  for (const [index, identity] of identities.entries()) {
    try {
      decrypter.addIdentity(identity);
    } catch {
      // Its message could quote the key.
      throw new LitestreamError('CONFIG_INVALID', `age identity ${index + 1} of ${identities.length} is not one that can be used`, {
        hint: 'Identities begin with AGE-SECRET-KEY-1; files hold one on each line. SSH keys and passphrases are not supported.',
      });
    }
  }
  return decrypter;
}

/** True for what the package throws when a header is not for any of the identities. */
export const isForOthers = (error: unknown): boolean => error instanceof Error && error.message.includes(NO_MATCH);

/** Length of the header that `bytes` begin with; undefined while its end has not come. LTX_INVALID for what is no header. */
export function headerLength(bytes: Uint8Array, name: string): number | undefined {
  const begin = AGE_MAGIC.subarray(0, bytes.length);
  if (Buffer.compare(bytes.subarray(0, begin.length), begin) !== 0) throw notAge(name, 'it does not begin as an age file does');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.length, LONGEST_HEADER));
  const mac = text.indexOf('\n---');
  const end = mac === -1 ? -1 : text.indexOf('\n', mac + 1);
  if (end !== -1) return end + 1;
  if (bytes.length >= LONGEST_HEADER) throw notAge(name, 'its header does not end');
  return undefined;
}

/** Opens headers with a set of identities. */
export class HeaderOpener {
  readonly #identities: readonly string[];
  #decrypter: Promise<Decrypter> | undefined;

  /** @param identities secret, `AGE-SECRET-KEY-…`. */
  constructor(identities: readonly string[]) {
    this.#identities = identities;
  }

  /** There is something to open headers with. */
  get hasAny(): boolean {
    return this.#identities.length > 0;
  }

  /** The key that a header holds. IDENTITY_REQUIRED when it holds it for others, LTX_CHECKSUM_MISMATCH when it was changed, CONFIG_INVALID for an identity that is none. */
  async open(header: Uint8Array, name: string): Promise<Uint8Array> {
    this.#decrypter ??= decrypterOf(this.#identities);
    const decrypter = await this.#decrypter;
    try {
      return await decrypter.decryptHeader(header);
    } catch (cause) {
      if (isForOthers(cause)) throw notForUs(name);
      throw new LitestreamError('LTX_CHECKSUM_MISMATCH', `decrypting ${name}: its header was changed`, { cause });
    }
  }
}

const notForUs = (name: string): LitestreamError =>
  new LitestreamError('IDENTITY_REQUIRED', `decrypting ${name}: it is encrypted for none of the configured age identities`, {
    hint: 'Add the identity it was encrypted for to age.identities; identities of earlier keys stay there as long as files for them exist.',
  });

const notAge = (name: string, why: string): LitestreamError =>
  new LitestreamError('LTX_INVALID', `decrypting ${name}: ${why}`, { hint: 'Armored files (age -a) are not read.' });
