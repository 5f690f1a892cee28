import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Kernel } from '../../../src/formats/kernel/kernel.ts';
import { type MergeOptions, type MergeSource, mergeLTX, mergeLTXFiles } from '../../../src/formats/ltx/merge.ts';
import { PAGE_SIZES } from '../../../src/formats/sqlite/page-size.ts';
import { comparePages, constantPage, type Decoded, decode, encode, header, SAME_PAGES } from '../../support/ltx-files.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';

type Pages = readonly (readonly [number, Uint8Array])[];

const source = (file: Buffer, name = 'input', most = Number.POSITIVE_INFINITY): MergeSource => {
  let at = 0;
  return {
    name,
    read(into) {
      const part = file.subarray(at, at + Math.min(into.length, most));
      into.set(part);
      at += part.length;
      return part.length;
    },
  };
};

function merge(files: readonly Buffer[], options: MergeOptions = {}, most?: number): Decoded {
  const chunks: Buffer[] = [];
  const sources = files.map((file, i) => source(file, `input ${i}`, most));
  mergeLTX(sources, (chunk) => chunks.push(Buffer.from(chunk)), options);
  return decode(Buffer.concat(chunks));
}

const constants = (...pages: readonly (readonly [number, number])[]): Pages => pages.map(([pgno, byte]) => [pgno, constantPage(byte)]);
const bytesOf = (file: Decoded) => [...file.content].map(([pgno, page]) => [pgno, page[0]]);

describe('merge', () => {
  test('takes each page from the last file that has it, whatever the order they are given in', () => {
    const a = encode(header(2, 2, 5), constants([1, 1], [3, 1], [4, 1]));
    const b = encode(header(3, 3, 5), constants([2, 2], [3, 2]));
    const c = encode(header(4, 5, 5), constants([3, 3], [5, 3]));
    for (const order of [
      [a, b, c],
      [c, b, a],
      [b, a, c],
    ]) {
      expect(bytesOf(merge(order))).toEqual([
        [1, 1],
        [2, 2],
        [3, 3],
        [4, 1],
        [5, 3],
      ]);
    }
  });

  test('has the range of all, commit and time of the last, and no WAL position', () => {
    const wal = { walOffset: 32, walSize: 4120, walSalt1: 1, walSalt2: 2 };
    const a = encode(header(2, 4, 5, { ...wal, timestamp: 9000 }), constants([1, 1]));
    const b = encode(header(5, 7, 3, { ...wal, timestamp: 5000 }), constants([2, 2]));
    expect(merge([b, a]).header).toEqual(decode(encode(header(2, 7, 3, { timestamp: 5000 }), [])).header);
  });

  test('drops pages above the last commit, and only the last', () => {
    const a = encode(header(2, 2, 9), constants([1, 1], [9, 1]));
    const b = encode(header(3, 3, 1), constants([1, 2]));
    const c = encode(header(4, 4, 9), constants([8, 3], [9, 3]));
    expect(bytesOf(merge([a, b]))).toEqual([[1, 2]]);
    expect(bytesOf(merge([a, b, c]))).toEqual([
      [1, 2],
      [8, 3],
      [9, 3],
    ]);
  });

  test('accepts files that overlap, the later one wins', () => {
    const a = encode(header(2, 5, 3), constants([1, 1], [2, 1]));
    const b = encode(header(4, 6, 3), constants([1, 2]));
    const c = encode(header(2, 7, 3), constants([2, 3]));
    expect(bytesOf(merge([a, b]))).toEqual([
      [1, 2],
      [2, 1],
    ]);
    // Ordered by their first, then their last transaction: c comes second and reaches farther than b.
    expect(() => merge([a, b, c])).toThrow(expect.objectContaining({ code: 'LTX_INVALID' }));
  });

  test('refuses a gap', () => {
    const a = encode(header(2, 2, 3), constants([1, 1]));
    const b = encode(header(4, 4, 3), constants([1, 2]));
    expect(() => merge([a, b])).toThrow(expect.objectContaining({ code: 'LTX_GAP' }));
  });

  test('refuses a file twice, and pages of different sizes', () => {
    const a = encode(header(2, 2, 3), constants([1, 1]));
    expect(() => merge([a, a])).toThrow(expect.objectContaining({ code: 'LTX_INVALID' }));
    const b = encode(header(3, 3, 3, { pageSize: 1024 }), [[1, constantPage(1, 1024)]]);
    expect(() => merge([a, b])).toThrow(expect.objectContaining({ code: 'LTX_INVALID' }));
    expect(() => merge([])).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  test('refuses a merge from TXID 1 that lacks a page', () => {
    const a = encode(header(1, 1, 2), constants([1, 1], [2, 1]));
    const b = encode(header(2, 2, 4), constants([4, 2]));
    expect(() => merge([a, b])).toThrow(expect.objectContaining({ code: 'PAGE_MISSING' }));
  });

  test('of one file is the same file', () => {
    const a = encode(header(1, 3, 3), constants([1, 1], [2, 2], [3, 3]));
    expect(merge([a]).content).toEqual(decode(a).content);
  });

  test('fails when any byte of any input is wrong, even in pages that are overridden', () => {
    const a = encode(header(2, 2, 2), constants([1, 1], [2, 1]));
    const b = encode(header(3, 3, 1), constants([1, 2]));
    for (const which of [0, 1]) {
      const inputs = [a, b];
      const victim = inputs[which] ?? a;
      for (let at = 0; at < victim.length; at++) {
        const broken = Buffer.from(victim);
        broken[at] = (broken[at] ?? 0) ^ 0x10;
        inputs[which] = broken;
        expect(() => merge(inputs), `input ${which} byte ${at}`).toThrow(expect.objectContaining({ code: expect.stringMatching(/^LTX_/) }));
      }
      for (let length = 0; length < victim.length; length++) {
        inputs[which] = victim.subarray(0, length);
        expect(() => merge(inputs), `input ${which} length ${length}`).toThrow(expect.objectContaining({ code: 'LTX_TRUNCATED' }));
      }
    }
  });

  const seed = seedFromEnvironment();
  for (const pageSize of PAGE_SIZES) {
    test(`equals a naive replay of random files, and may be done in steps (pages of ${pageSize} bytes, seed ${seed})`, () => {
      const random = new Random(seed + pageSize);
      for (let round = 0; round < 6; round++) {
        const model = new Map<number, Buffer>();
        const files: Buffer[] = [];
        const largest = random.between(1, Math.min(80, 1_000_000 / pageSize));
        const count = random.between(2, 9);
        let commit = 0;
        for (let txid = 1; txid <= count; txid++) {
          const before = commit;
          commit = random.between(1, largest);
          const pages = new Map<number, Buffer>();
          for (let pgno = 1; pgno <= commit; pgno++) {
            if (pgno > before || random.chance(0.3)) pages.set(pgno, random.bytes(pageSize));
          }
          for (const pgno of model.keys()) if (pgno > commit) model.delete(pgno);
          for (const [pgno, page] of pages) model.set(pgno, page);
          files.push(
            encode(header(txid, txid, commit, { pageSize, timestamp: txid }), pages, { pageForm: random.pick(['block', 'frame']) }),
          );
        }
        const expected = new Map([...model].sort(([a], [b]) => a - b));
        const pageForm = random.pick(['block', 'frame'] as const);
        const whole = merge(files, { pageForm }, random.chance(0.5) ? undefined : random.between(1, 3 * pageSize));
        expect(comparePages(whole.content, expected)).toEqual(SAME_PAGES);
        const cut = random.between(1, files.length - 1);
        const steps = [files.slice(0, cut), files.slice(cut)].map((part) => {
          const chunks: Buffer[] = [];
          mergeLTX(
            part.map((file) => source(file)),
            (chunk) => chunks.push(Buffer.from(chunk)),
          );
          return Buffer.concat(chunks);
        });
        expect(comparePages(merge(steps).content, expected)).toEqual(SAME_PAGES);
      }
    });
  }

  test('of large files runs in little memory, reports progress and can be stopped', () => {
    const random = new Random(1);
    const body = random.bytes(512);
    const snapshot = encode(
      header(1, 1, 40_000),
      Array.from({ length: 40_000 }, (_, i) => [i + 1, body] as const),
    );
    const increments = Array.from({ length: 60 }, (_, i) =>
      encode(header(i + 2, i + 2, 40_000), constants([i * 100 + 1, i], [i * 100 + 2, i])),
    );
    const kernel = Kernel.create();
    const progress: number[] = [];
    const merged = merge([snapshot, ...increments], { kernel, onProgress: (bytes) => progress.push(bytes) });
    expect(merged.pages).toBe(40_000);
    for (let i = 0; i < 60; i++) expect(merged.content.get(i * 100 + 2)?.[0]).toBe(i);
    expect(kernel.memoryBytes).toBeLessThan(32 << 20);
    expect(progress.length).toBeGreaterThan(5);
    expect(progress).toEqual(progress.toSorted((a, b) => a - b));
    const before = kernel.allocatedBytes;
    const stop = () => {
      throw new Error('stopped');
    };
    expect(() => merge([snapshot, ...increments], { kernel, onProgress: stop })).toThrow('stopped');
    expect(kernel.allocatedBytes).toBe(before);
  });

  test('reads local files and closes them, also when it fails', () => {
    const folder = mkdtempSync(join(tmpdir(), 'merge-'));
    try {
      const paths = [1, 2].map((txid) => {
        const path = join(folder, `${txid}`);
        writeFileSync(path, encode(header(txid, txid, 1), constants([1, txid])));
        return path;
      });
      const chunks: Buffer[] = [];
      expect(mergeLTXFiles(paths, (chunk) => chunks.push(Buffer.from(chunk))).pages).toBe(1);
      expect(decode(Buffer.concat(chunks)).content.get(1)?.[0]).toBe(2);
      writeFileSync(paths[1] ?? '', 'short');
      expect(() => mergeLTXFiles(paths, () => {})).toThrow(
        expect.objectContaining({ code: 'LTX_TRUNCATED', message: expect.stringContaining(paths[1] ?? '') }),
      );
      expect(() => mergeLTXFiles([...paths, join(folder, 'absent')], () => {})).toThrow(/ENOENT/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
