import { Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { describe, expect, test } from 'vitest';
import { decryptIfAge } from '../../../src/formats/age/decrypt.ts';

const identity = await generateX25519Identity();
const other = await generateX25519Identity();
/** Several chunks of age, and one more byte. */
const plain = Uint8Array.from({ length: 3 * 65_536 + 1 }, (_, at) => (at * 31) & 255);
const encrypter = new Encrypter();
encrypter.addRecipient(await identityToRecipient(identity));
const cipher = await encrypter.encrypt(plain);

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function decrypted(bytes: Uint8Array, identities: readonly string[], length = 1000): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of decryptIfAge(pieces(bytes, length), { name: 'file', identities })) parts.push(part.slice());
  return Buffer.concat(parts);
}

describe('decryption', () => {
  test('gives the plain bytes, however the file arrives', async () => {
    for (const length of [1, 7, 1000, cipher.length]) {
      const sample = length < 10 ? await encrypter.encrypt(plain.subarray(0, 500)) : cipher;
      const expected = length < 10 ? plain.subarray(0, 500) : plain;
      expect(Buffer.compare(await decrypted(sample, [identity], length), expected), `${length} bytes at once`).toBe(0);
    }
  });

  test('tries every identity', async () => {
    expect((await decrypted(cipher, [other, identity])).length).toBe(plain.length);
  });

  test('lets what is not encrypted through, with and without identities', async () => {
    for (const bytes of [plain, plain.subarray(0, 3), new Uint8Array(0)]) {
      expect(Buffer.compare(await decrypted(bytes, []), bytes)).toBe(0);
      expect(Buffer.compare(await decrypted(bytes, [identity]), bytes)).toBe(0);
    }
  });

  test('without a fitting identity says so', async () => {
    await expect(decrypted(cipher, [])).rejects.toMatchObject({
      code: 'IDENTITY_REQUIRED',
      message: expect.stringContaining('no identity is configured'),
    });
    await expect(decrypted(cipher, [other])).rejects.toMatchObject({
      code: 'IDENTITY_REQUIRED',
      message: expect.stringContaining('none of the 1'),
    });
  });

  test('never gives changed or cut ciphertext out as the whole', async () => {
    for (const at of [30, 150, 250, 300, 70_000, cipher.length - 1]) {
      await expect(
        decrypted(
          cipher.map((byte, index) => (index === at ? byte ^ 4 : byte)),
          [identity],
        ),
        `byte ${at}`,
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^(LEGACY_INVALID|IDENTITY_REQUIRED)$/),
      });
    }
    for (const end of [100, 200, 240, 70_000, cipher.length - 1]) {
      await expect(decrypted(cipher.subarray(0, end), [identity]), `cut at ${end}`).rejects.toMatchObject({ code: 'LEGACY_INVALID' });
    }
  });

  test("passes the source's own failure on", async () => {
    const failure = new Error('the line is cut');
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield cipher.subarray(0, 80_000);
      throw failure;
    }
    const reading = async () => {
      for await (const _ of decryptIfAge(broken(), { name: 'file', identities: [identity] }));
    };
    await expect(reading()).rejects.toBe(failure);
  });

  test('ends the source when it is left early', async () => {
    let ended = false;
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        yield cipher.subarray(0, 140_000);
        while (true) yield new Uint8Array(1000);
      } finally {
        ended = true;
      }
    }
    for await (const _ of decryptIfAge(endless(), { name: 'file', identities: [identity] })) break;
    await expect.poll(() => ended).toBe(true);
  });
});
