import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { describe, expect, test } from 'vitest';
import { HeaderOpener, headerLength, LONGEST_HEADER, makeHeader } from '../../../src/formats/age/header.ts';
import {
  CHUNK_BYTES,
  chunkCount,
  contentSize,
  NONCE_BYTES,
  payloadKey,
  SEALED_CHUNK_BYTES,
  sealedSize,
} from '../../../src/formats/age/payload.ts';
import { Sealer, sealBytes } from '../../../src/formats/age/seal.ts';
import { unseal } from '../../../src/formats/age/unseal.ts';
import { Random } from '../../support/random.ts';

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const SIZES = [0, 1, 15, 16, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 17];

const seed = Date.now() % 2 ** 31;
console.log(`seed ${seed}`);
const random = new Random(seed);
const content = (length: number): Uint8Array => Uint8Array.from(random.bytes(length));

async function* pieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

/** Header, key and chunks of a file. */
async function opened(file: Uint8Array) {
  const end = headerLength(file, 'file') ?? 0;
  const fileKey = await new HeaderOpener([identity]).open(file.subarray(0, end), 'file');
  const key = payloadKey(fileKey, file.subarray(end, end + NONCE_BYTES));
  return { key, payload: file.subarray(end + NONCE_BYTES) };
}

async function range(file: Uint8Array, offset: number, length: number, pieceLength = 10_000): Promise<Buffer> {
  const { key, payload } = await opened(file);
  const first = Math.floor(offset / CHUNK_BYTES);
  const bytes = pieces(payload.subarray(first * SEALED_CHUNK_BYTES), pieceLength);
  return collect(unseal(bytes, { key, sealed: payload.length, first, skip: offset - first * CHUNK_BYTES, length, name: 'file' }));
}

const whole = (file: Uint8Array): Promise<Buffer> => range(file, 0, Number.POSITIVE_INFINITY);

describe('what is sealed here', () => {
  test.each(SIZES)('%d bytes are opened by the package', async (size) => {
    const bytes = content(size);
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    const file = sealBytes(bytes, await makeHeader([recipient]));
    expect(Buffer.compare(await decrypter.decrypt(file), bytes)).toBe(0);
    const { payload } = await opened(file);
    expect(payload.length).toBe(sealedSize(size));
    expect(contentSize(payload.length)).toBe(size);
  });

  test('is the same content however it comes', async () => {
    const bytes = content(2 * CHUNK_BYTES + 5);
    for (const length of [1000, CHUNK_BYTES, CHUNK_BYTES + 1, bytes.length]) {
      const sealer = new Sealer(await makeHeader([recipient]));
      const parts = [...sealer.begin()];
      for await (const piece of pieces(bytes, length)) parts.push(...sealer.push(piece));
      parts.push(...sealer.end());
      expect(Buffer.compare(await whole(Buffer.concat(parts)), bytes), `${length} at once`).toBe(0);
    }
  });

  test('is never the same ciphertext twice', async () => {
    const bytes = content(100);
    const [one, other] = [sealBytes(bytes, await makeHeader([recipient])), sealBytes(bytes, await makeHeader([recipient]))];
    expect(Buffer.compare(one.subarray(-116), other.subarray(-116))).not.toBe(0);
  });

  test('two headers made at the same time hold their own keys', async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => makeHeader([recipient])));
    for (const { header, fileKey } of made) {
      expect(Buffer.compare(await new HeaderOpener([identity]).open(header, 'file'), fileKey)).toBe(0);
    }
    expect(new Set(made.map(({ fileKey }) => Buffer.from(fileKey).toString('hex'))).size).toBe(8);
  });
});

describe('what the package sealed', () => {
  test.each(SIZES)('%d bytes are opened here', async (size) => {
    const bytes = content(size);
    const encrypter = new Encrypter();
    encrypter.addRecipient(recipient);
    expect(Buffer.compare(await whole(await encrypter.encrypt(bytes)), bytes)).toBe(0);
  });
});

test('random ranges are what the whole has there, and no chunk outside is looked at', async () => {
  for (let round = 0; round < 200; round++) {
    const size = random.below(5 * CHUNK_BYTES);
    const bytes = content(size);
    const file = Buffer.from(sealBytes(bytes, await makeHeader([recipient])));
    const offset = random.below(size + 1);
    const length = random.below(2 * CHUNK_BYTES) + 1;
    const { payload } = await opened(file);
    const [first, last] = [
      Math.floor(offset / CHUNK_BYTES),
      Math.floor(Math.max(offset, Math.min(size, offset + length) - 1) / CHUNK_BYTES),
    ];
    for (let chunk = 0; chunk < chunkCount(payload.length); chunk++) {
      if (chunk < first || chunk > last)
        payload.fill(0, chunk * SEALED_CHUNK_BYTES, Math.min(payload.length, (chunk + 1) * SEALED_CHUNK_BYTES));
    }
    if (offset >= size) continue;
    const got = await range(file, offset, Math.min(length, size - offset), random.below(100_000) + 1);
    expect(Buffer.compare(got, bytes.subarray(offset, offset + length)), `${offset}+${length} of ${size} (seed ${seed})`).toBe(0);
  }
});

describe('ciphertext that was touched', () => {
  const bytes = content(3 * CHUNK_BYTES + 100);
  const sealed = makeHeader([recipient]).then((made) => Buffer.from(sealBytes(bytes, made)));
  const chunkAt = (file: Buffer, index: number): number => file.length - sealedSize(bytes.length) + index * SEALED_CHUNK_BYTES;

  test.each([0, 1, 2, 3])('a bit of chunk %d', async (index) => {
    const file = Buffer.from(await sealed);
    const at = chunkAt(file, index) + 50;
    file[at] = (file[at] ?? 0) ^ 1;
    await expect(whole(file)).rejects.toMatchObject({ code: 'LTX_CHECKSUM_MISMATCH', details: { chunk: index } });
  });

  test('two chunks that changed places', async () => {
    const file = Buffer.from(await sealed);
    const [a, b] = [chunkAt(file, 0), chunkAt(file, 1)];
    const one = Buffer.from(file.subarray(a, b));
    file.copyWithin(a, b, b + SEALED_CHUNK_BYTES);
    file.set(one, b);
    await expect(whole(file)).rejects.toMatchObject({ code: 'LTX_CHECKSUM_MISMATCH' });
  });

  test('the last chunk is gone', async () => {
    const file = await sealed;
    await expect(whole(file.subarray(0, chunkAt(file, 3)))).rejects.toMatchObject({ code: 'LTX_CHECKSUM_MISMATCH' });
  });

  test('the end is cut, at any place', async () => {
    const file = await sealed;
    for (const cut of [1, 15, 16, 17, 99, 100, 116, 117, 5000, SEALED_CHUNK_BYTES]) {
      await expect(whole(file.subarray(0, file.length - cut)), `${cut} bytes`).rejects.toMatchObject({
        code: expect.stringMatching(/^LTX_(CHECKSUM_MISMATCH|TRUNCATED)$/),
      });
    }
  });

  test('fewer bytes come than the file has', async () => {
    const { key, payload } = await opened(await sealed);
    const reading = unseal(pieces(payload.subarray(0, 100_000), 7000), {
      key,
      sealed: payload.length,
      first: 0,
      skip: 0,
      length: bytes.length,
      name: 'file',
    });
    await expect(collect(reading)).rejects.toMatchObject({ code: 'LTX_TRUNCATED' });
  });

  test('nothing of a chunk is handed out before it is authenticated', async () => {
    const file = Buffer.from(await sealed);
    const at = chunkAt(file, 1) + SEALED_CHUNK_BYTES - 20;
    file[at] = (file[at] ?? 0) ^ 1;
    const { key, payload } = await opened(file);
    let came = 0;
    const reading = async () => {
      for await (const chunk of unseal(pieces(payload, 1000), {
        key,
        sealed: payload.length,
        first: 0,
        skip: 0,
        length: bytes.length,
        name: 'file',
      }))
        came += chunk.length;
    };
    await expect(reading()).rejects.toMatchObject({ code: 'LTX_CHECKSUM_MISMATCH' });
    expect(came).toBe(CHUNK_BYTES);
  });
});

test('sizes that no payload has are known', () => {
  for (const sealed of [0, 15, SEALED_CHUNK_BYTES + 1, SEALED_CHUNK_BYTES + 15, SEALED_CHUNK_BYTES + 16]) {
    expect(contentSize(sealed), `${sealed}`).toBeUndefined();
  }
  expect(contentSize(16)).toBe(0);
  expect(contentSize(SEALED_CHUNK_BYTES + 17)).toBe(CHUNK_BYTES + 1);
});

describe('headers', () => {
  test('their length is found in whatever has come, and what is none is told', async () => {
    const { header } = await makeHeader([recipient, recipient]);
    for (let length = 0; length < header.length; length++) expect(headerLength(header.subarray(0, length), 'file')).toBeUndefined();
    expect(headerLength(Buffer.concat([header, content(40)]), 'file')).toBe(header.length);
    expect(() => headerLength(Buffer.from('-----BEGIN AGE ENCRYPTED FILE-----'), 'file')).toThrow('does not begin as an age file');
    const endless = Buffer.concat([Buffer.from('age-encryption.org/v1\n'), Buffer.alloc(LONGEST_HEADER, 'a')]);
    expect(() => headerLength(endless, 'file')).toThrow('does not end');
  });

  test('a recipient or an identity that is none is told; an identity never by its text', async () => {
    await expect(makeHeader(['age1x'])).rejects.toMatchObject({ code: 'CONFIG_INVALID', message: expect.stringContaining('age1x') });
    const secret = 'AGE-SECRET-KEY-1XXX';
    const failure = await new HeaderOpener([secret]).open(new Uint8Array(0), 'file').catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'CONFIG_INVALID' });
    expect(String(failure)).not.toContain(secret);
  });

  test('post-quantum recipients work as well, also beside others', async () => {
    const { generateHybridIdentity } = await import('age-encryption');
    const quantum = await generateHybridIdentity();
    const file = sealBytes(content(10), await makeHeader([await identityToRecipient(quantum)]));
    const end = headerLength(file, 'file') ?? 0;
    await expect(new HeaderOpener([identity, quantum]).open(file.subarray(0, end), 'file')).resolves.toHaveLength(16);
    await expect(new HeaderOpener([identity]).open(file.subarray(0, end), 'file')).rejects.toMatchObject({ code: 'IDENTITY_REQUIRED' });
  });
});
