import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LocalLog } from '../../../src/engine/upload/local-log.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { chunksOf } from '../../../src/storage/body.ts';
import { type MadeFile, makeFile, publishFile } from '../../support/local-files.ts';
import { encode, header } from '../../support/ltx-files.ts';
import { Random } from '../../support/random.ts';
import { type TempDirectory, tempDirectory } from '../../support/temp-directory.ts';

const NOW = Date.UTC(2026, 0, 1);
const MINUTE = 60_000;

describe('local log', () => {
  let temp: TempDirectory;
  let log: LocalLog;
  beforeEach(async () => {
    temp = await tempDirectory();
    log = new LocalLog(join(temp.path, 'ltx', '0'));
  });
  afterEach(() => temp.remove());

  const txids = async () => (await log.list()).map(({ txid }) => Number(txid));

  test('is empty before the directory exists', async () => {
    expect(await log.list()).toEqual([]);
    expect(await log.prune(toTXID(5), NOW)).toBe(0);
  });

  test('lists finished level-0 files by TXID and nothing else', async () => {
    for (const txid of [255, 3, 16, 1]) await publishFile(log.directory, makeFile(txid, NOW));
    for (const name of ['0000000000000004-0000000000000004.ltx.tmp', '0000000000000005-0000000000000006.ltx', 'notes.txt']) {
      await writeFile(join(log.directory, name), 'x');
    }
    expect(await txids()).toEqual([1, 3, 16, 255]);
    expect((await log.list())[0]).toEqual({ txid: toTXID(1), size: makeFile(1, NOW).size, at: NOW });
  });

  test('hands out the bytes and the time of the header, twice if asked', async () => {
    const file = await publishFile(log.directory, makeFile(7, NOW - 5));
    const { body, timestamp } = await log.take(file.txid);
    expect(timestamp).toBe(NOW - 5);
    for (let i = 0; i < 2; i++) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of chunksOf(body, 'x', undefined)) chunks.push(chunk);
      expect(Buffer.compare(Buffer.concat(chunks), file.bytes)).toBe(0);
    }
  });

  /** A file of 6 MiB that does not compress. */
  function largeFile(): MadeFile {
    const random = new Random(7);
    const page = () => Uint8Array.from({ length: 4096 }, () => random.below(256));
    const pages = Array.from({ length: 1500 }, (_, i): [number, Uint8Array] => [i + 1, page()]);
    const bytes = encode(header(7, 7, pages.length, { timestamp: NOW, pageSize: 4096 }), pages);
    return { txid: toTXID(7), size: bytes.length, at: NOW, bytes };
  }

  test('streams a file that is too large for memory', async () => {
    const file = await publishFile(log.directory, largeFile());
    const { body } = await log.take(file.txid);
    expect(body.size).toBe(file.bytes.length);
    const chunks: Uint8Array[] = [];
    for await (const chunk of chunksOf(body, 'x', undefined)) chunks.push(chunk);
    expect(chunks.length).toBeGreaterThan(1);
    expect(Buffer.compare(Buffer.concat(chunks), file.bytes)).toBe(0);
  });

  test('streams it through three buffers to who has done with a chunk when the next is asked for', async () => {
    const file = await publishFile(log.directory, largeFile());
    const { body } = await log.take(file.txid);
    const copies: Uint8Array[] = [];
    const buffers = new Set<ArrayBufferLike>();
    for await (const chunk of body.open({ transient: true })) {
      copies.push(Uint8Array.from(chunk));
      buffers.add(chunk.buffer);
    }
    expect(Buffer.compare(Buffer.concat(copies), file.bytes)).toBe(0);
    expect(buffers.size).toBeLessThanOrEqual(3);
  });

  test('a file that the disk has changed is never handed out whole', async () => {
    for (const file of [makeFile(7, NOW), largeFile()]) {
      const bytes = Buffer.from(file.bytes);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4;
      const { txid } = await publishFile(log.directory, { ...file, bytes });
      let delivered = 0;
      const send = async (): Promise<void> => {
        const { body } = await log.take(txid);
        for await (const chunk of body.open()) delivered += chunk.length;
      };
      await expect(send()).rejects.toMatchObject({ disposition: 'reset', details: { path: log.path(txid) } });
      expect(delivered).toBeLessThan(bytes.length);
    }
  });

  test('a missing file is LTX_MISSING, a short one LTX_TRUNCATED', async () => {
    await expect(log.take(toTXID(9))).rejects.toMatchObject({ code: 'LTX_MISSING', details: { txid: '0000000000000009' } });
    const file = makeFile(9, NOW);
    await publishFile(log.directory, { ...file, bytes: file.bytes.subarray(0, 50) });
    await expect(log.take(toTXID(9))).rejects.toMatchObject({ code: 'LTX_TRUNCATED' });
  });

  test('H6: prune removes what is confirmed and old, and keeps the newest and the confirmed one (row 73)', async () => {
    for (let txid = 1; txid <= 8; txid++) await publishFile(log.directory, makeFile(txid, NOW - (10 - txid) * MINUTE));
    // Ages 9, 8, 7, 6, 5, 4, 3, 2 minutes; the retention is 5.
    expect(await log.prune(toTXID(3), NOW)).toBe(2);
    expect(await txids()).toEqual([3, 4, 5, 6, 7, 8]);
    expect(await log.prune(toTXID(8), NOW)).toBe(2);
    expect(await txids()).toEqual([5, 6, 7, 8]);
    expect(await log.prune(toTXID(8), NOW + 60 * MINUTE)).toBe(3);
    expect(await txids()).toEqual([8]);
    expect(await log.prune(toTXID(100), NOW + 60 * MINUTE)).toBe(0);
    expect(await readdir(log.directory)).toHaveLength(1);
  });
});
