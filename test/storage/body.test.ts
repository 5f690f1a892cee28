import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { chunksOf, fileBody, letGo } from '../../src/storage/body.ts';
import { collect, patternBytes } from './contract/bodies.ts';

let directory: string;
let path: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'litestream-body-'));
  path = join(directory, 'file');
});
afterEach(() => rm(directory, { recursive: true, force: true }));

for (const transient of [false, true])
  describe(`a file as a body, ${transient ? 'through one buffer' : 'in buffers of their own'}`, () => {
    test('is read whole, each time anew', async () => {
      const bytes = patternBytes(2_500_000);
      await writeFile(path, bytes);
      const body = fileBody(path, bytes.length);
      for (let time = 0; time < 2; time++) {
        const chunks: Buffer[] = [];
        for await (const chunk of body.open({ transient })) chunks.push(Buffer.from(chunk));
        expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
      }
    });

    // The test run itself fails where an error has nobody to go to.
    test('that is gone harms nobody who does not read it, and is an error for who does', async () => {
      const body = fileBody(path, 10);
      body.open({ transient });
      const cancelled = AbortSignal.abort(new Error('not needed any more'));
      await expect(collect(chunksOf(body, 'key', cancelled, { transient }))).rejects.toThrow('not needed any more');
      await sleep(50);
      await expect(collect(body.open({ transient }))).rejects.toMatchObject({ code: 'ENOENT' });
    });

    test('that is gone harms nobody who stops while it is opened', async () => {
      const stopping = new AbortController();
      const reading = collect(chunksOf(fileBody(path, 10), 'key', stopping.signal, { transient }));
      stopping.abort(new Error('not needed any more'));
      await expect(reading).rejects.toThrow('not needed any more');
      await sleep(50);
    });
  });

test('only memory that belongs to the bytes alone is let go of', () => {
  const pooled = Buffer.from('a few bytes of a pool that others have theirs in');
  const neighbour = Buffer.from('others');
  expect(pooled.buffer).toBe(neighbour.buffer);
  letGo(pooled);
  letGo(new Uint8Array(pooled.buffer, 1));
  expect([pooled.toString(), neighbour.toString()]).toEqual(['a few bytes of a pool that others have theirs in', 'others']);
  const owned = Buffer.allocUnsafeSlow(10);
  letGo(owned);
  expect(owned.buffer.byteLength).toBe(0);
});
