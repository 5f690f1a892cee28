import { closeSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { nodeDisk, type RestoreDisk } from '../../../src/engine/restore/disk.ts';
import { spillRoom } from '../../../src/engine/restore/page-spill.ts';
import { PageWriter } from '../../../src/engine/restore/page-writer.ts';
import { Stopwatch } from '../../../src/engine/restore/time-shares.ts';
import { LTXDecoder } from '../../../src/formats/ltx/decoder.ts';
import { threadKernel } from '../../../src/formats/ltx/thread-kernel.ts';
import { between, randomFrom } from '../../support/random.ts';
import { type Change, encode, NaiveDatabase } from './ltx-files.ts';
import { temporaryDirectory } from './setting.ts';

const seed = Number(process.env.SEED ?? Date.now() % 1e9);

interface Counts {
  /** Of the result, and of the pages that were put off. */
  readonly writes: { result: number; spill: number };
  reads: number;
}

/** A writer into a new file, with `room` bytes for pages that are put off. */
function open(room: number) {
  const directory = temporaryDirectory();
  const path = join(directory, 'restored.db');
  const fd = nodeDisk.create(path);
  onTestFinished(() => closeSync(fd));
  const counts: Counts = { writes: { result: 0, spill: 0 }, reads: 0 };
  const disk: RestoreDisk = {
    ...nodeDisk,
    write: (to, bytes, position) => {
      counts.writes[to === fd ? 'result' : 'spill']++;
      nodeDisk.write(to, bytes, position);
    },
    read: (from, into, position) => {
      counts.reads++;
      nodeDisk.read(from, into, position);
    },
  };
  const kernel = threadKernel();
  const writer = new PageWriter({ disk, fd, spillPath: `${path}-pages`, spillRoom: () => room, kernel, stopwatch: new Stopwatch(() => 0) });
  const apply = (pageSize: number, txid: number, change: Change): void => {
    const onHeader = (header: Parameters<PageWriter['beginFile']>[0]) => writer.beginFile(header, `file ${txid}`);
    using decoder = new LTXDecoder((batch) => writer.write(batch), { onHeader, kernel });
    decoder.push(encode(pageSize, txid, txid, change, txid));
    decoder.end();
  };
  const finish = async (signal = new AbortController().signal): Promise<Buffer> => {
    try {
      await writer.writePutOff(signal);
      await writer.finish();
    } finally {
      await writer.close();
    }
    expect(readdirSync(directory)).toEqual(['restored.db']);
    return readFileSync(path);
  };
  return { writer, apply, finish, counts };
}

const page = (fill: number): Uint8Array => new Uint8Array(4096).fill(fill);
const every = (step: number, last: number, fill: number): Change['pages'] =>
  new Map(Array.from({ length: Math.floor(last / step) }, (_, index) => [(index + 1) * step, page(fill)]));

describe('pages that are put off', () => {
  for (const pageSize of [512, 4096, 65536]) {
    test(`give the same database however few there is room for, page size ${pageSize} (seed ${seed})`, async () => {
      const random = randomFrom(seed + pageSize);
      for (let round = 0; round < 12; round++) {
        const database = new NaiveDatabase(pageSize, random);
        const last = between(random, 1, 12);
        for (let txid = 1; txid <= last; txid++) database.step(pageSize > 4096 ? 12 : 80);
        for (const pages of [0, between(random, 1, 60), 10_000]) {
          const { apply, finish, counts } = open(pages * pageSize);
          for (let txid = last; txid >= 1; txid--) apply(pageSize, txid, database.range(txid, txid));
          expect((await finish()).equals(database.file(last)), `round ${round}, room for ${pages}`).toBe(true);
          if (pages === 0) expect(counts).toMatchObject({ writes: { spill: 0 }, reads: 0 });
        }
      }
    });
  }

  test('reach the result together with those of the oldest file, in one piece', async () => {
    const { apply, finish, counts } = open(1e9);
    apply(4096, 3, { commit: 200, pages: every(3, 200, 3) });
    apply(4096, 2, { commit: 200, pages: every(7, 200, 2) });
    apply(4096, 1, { commit: 200, pages: every(1, 200, 1) });
    expect(counts.writes.result).toBe(1);
    const result = await finish();
    for (let pgno = 1; pgno <= 200; pgno++) expect(result[pgno * 4096 - 1]).toBe(pgno % 3 === 0 ? 3 : pgno % 7 === 0 ? 2 : 1);
    expect(counts.writes.result).toBe(1);
    expect(counts.reads).toBe(66 + 19);
  });

  test('reach the result together with a long stretch of any older file', async () => {
    const { apply, finish, counts } = open(1e9);
    apply(4096, 3, { commit: 40, pages: every(5, 40, 3) });
    apply(4096, 2, { commit: 40, pages: every(1, 40, 2) });
    expect(counts.writes).toEqual({ result: 1, spill: 1 });
    expect((await finish()).filter((_, at) => at % 4096 === 0)).toEqual(
      Buffer.from(Array.from({ length: 40 }, (_, at) => ((at + 1) % 5 === 0 ? 3 : 2))),
    );
  });

  test('reach the result when no older file has neighbours for them, neighbours among themselves in one piece', async () => {
    const { apply, finish, counts } = open(1e9);
    apply(4096, 3, { commit: 12, pages: new Map([1, 11, 12].map((pgno) => [pgno, page(3)])) });
    apply(4096, 2, { commit: 10, pages: every(2, 10, 2) });
    apply(4096, 1, { commit: 9, pages: every(1, 9, 1) });
    const before = counts.writes.result;
    expect((await finish()).filter((_, at) => at % 4096 === 0)).toEqual(Buffer.from([3, 2, 1, 2, 1, 2, 1, 2, 1, 2, 3, 3]));
    expect(counts.writes.result - before).toBe(1);
  });

  test('are written at the end until the restore is cancelled', async () => {
    const { apply, finish } = open(1e9);
    apply(4096, 2, { commit: 800, pages: every(2, 800, 2) });
    const reason = new Error('enough');
    await expect(finish(AbortSignal.abort(reason))).rejects.toBe(reason);
  });

  test('that are missing from every file are told by their number', async () => {
    const { apply, finish } = open(1e9);
    apply(4096, 2, { commit: 8, pages: every(2, 8, 2) });
    await expect(finish()).rejects.toMatchObject({ code: 'PAGE_MISSING', details: { page: 1, pages: 8 } });
  });
});

test('nothing is put off beside a result that would not stay in memory with it, or would fill the disk', () => {
  const directory = temporaryDirectory();
  expect(spillRoom(join(directory, 'restored.db'), 2 ** 50)).toBe(0);
  expect(spillRoom(join(directory, 'restored.db'), 4096)).toBeGreaterThan(0);
});
