import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Decrypter, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sealFile } from '../../../src/engine/upload/seal-job.ts';
import { makeHeader } from '../../../src/formats/age/header.ts';
import { encode, header } from '../../support/ltx-files.ts';
import { Random } from '../../support/random.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';

const identity = await generateX25519Identity();
const recipient = await identityToRecipient(identity);
const random = new Random(11);

let directory: TempDirectory;
beforeEach(async () => {
  directory = await tempDirectory();
});
afterEach(() => directory.remove());

/** Of more than two of the pieces in which it is read. */
const ltx = (): Buffer => {
  const pages = Array.from({ length: 1200 }, (_, at) => [at + 1, Uint8Array.from(random.bytes(4096))] as const);
  return encode(header(1, 1, pages.length, { pageSize: 4096 }), pages);
};

async function seal(bytes: Buffer) {
  const [input, output] = [join(directory.path, '1.ltx'), join(directory.path, 'sealed')];
  writeFileSync(input, bytes);
  const sealing = makeHeader([recipient]).then((made) => sealFile({ ...made, input, output }));
  return { input, output, sealing };
}

test('what is sealed is the file, to the last byte', async () => {
  const bytes = ltx();
  const { output, sealing } = await seal(bytes);
  const { size } = await sealing;
  const sealed = readFileSync(output);
  expect(sealed.length).toBe(size);
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  expect(Buffer.compare(await decrypter.decrypt(sealed), bytes)).toBe(0);
});

test.each([
  ['a changed byte', (bytes: Buffer) => bytes.fill((bytes[1_100_000] ?? 0) ^ 1, 1_100_000, 1_100_001)],
  ['a lost end', (bytes: Buffer) => bytes.subarray(0, -1)],
  ['a lost half', (bytes: Buffer) => bytes.subarray(0, 2 ** 20)],
])('of a file with %s nothing is left that could be sent', async (_, damage) => {
  const { input, output, sealing } = await seal(damage(ltx()));
  await expect(sealing).rejects.toMatchObject({ code: expect.stringMatching(/^LTX_/), details: { path: input } });
  expect(existsSync(output)).toBe(false);
});
