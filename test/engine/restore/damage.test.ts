import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { existsAtAll } from '../../../src/engine/restore/output.ts';
import { between, randomFrom } from '../../support/random.ts';
import { encode, store } from './ltx-files.ts';
import { openFileReplica, restore, temporaryDirectory } from './setting.ts';

/** Three files, each of which holds a page that no newer one has. */
function setting() {
  const directory = temporaryDirectory();
  const root = join(directory, 'replica');
  const random = randomFrom(9);
  const page = () => Uint8Array.from({ length: 512 }, (_, at) => (at % 100 < 12 ? between(random, 0, 255) : 0));
  const change = (commit: number, ...pgnos: number[]) => ({ commit, pages: new Map(pgnos.map((pgno) => [pgno, page()])) });
  const changes = [change(4, 1, 2, 3, 4), change(4, 1, 3), change(5, 1, 5)];
  const paths = changes.map((made, at) => store(root, 0, at + 1, at + 1, encode(512, at + 1, at + 1, made, at), at));
  const expected = Buffer.alloc(5 * 512);
  for (const { pages } of changes) for (const [pgno, bytes] of pages) expected.set(bytes, (pgno - 1) * 512);
  return { root, paths, output: join(directory, 'out.db'), expected };
}

/** Restores; true when it was refused, false when the result is right. Anything else fails the test. */
async function refused(root: string, output: string, expected: Buffer, hint: string): Promise<boolean> {
  try {
    await restore(await openFileReplica(root), { output });
  } catch (error) {
    if (!(error instanceof LitestreamError)) throw error;
    expect(error.code, hint).toMatch(/^(LTX_|PAGE_MISSING)/);
    expect(existsAtAll(output), hint).toBe(false);
    return true;
  }
  expect(readFileSync(output).equals(expected), hint).toBe(true);
  rmSync(output);
  return false;
}

describe('a damaged file of a replica', () => {
  test('every flipped byte is refused or leaves the result the same', async () => {
    const { root, paths, output, expected } = setting();
    let total = 0;
    let harmless = 0;
    for (const path of paths) {
      const bytes = readFileSync(path);
      for (let at = 0; at < bytes.length; at++) {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
        writeFileSync(path, damaged);
        total++;
        if (!(await refused(root, output, expected, `byte ${at} of ${path}`))) harmless++;
      }
      writeFileSync(path, bytes);
    }
    // The checksum is over the uncompressed pages: a byte that makes another LZ4 encoding of the same page is irrelevant, and rare.
    expect(harmless).toBeLessThan(total / 50);
  }, 240_000);

  test('every truncation is refused', async () => {
    const { root, paths, output, expected } = setting();
    for (const path of paths) {
      const bytes = readFileSync(path);
      for (let length = 0; length < bytes.length; length++) {
        writeFileSync(path, bytes.subarray(0, length));
        expect(await refused(root, output, expected, `${length} bytes of ${path}`), `${length} bytes of ${path}`).toBe(true);
      }
      writeFileSync(path, bytes);
    }
  }, 240_000);

  test('bytes behind the end are refused', async () => {
    const { root, paths, output, expected } = setting();
    for (const path of paths) {
      const bytes = readFileSync(path);
      writeFileSync(path, Buffer.concat([bytes, Buffer.alloc(1)]));
      expect(await refused(root, output, expected, path)).toBe(true);
      writeFileSync(path, bytes);
    }
  });
});
