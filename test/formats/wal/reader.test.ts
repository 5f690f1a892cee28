import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { PAGE_SIZES } from '../../../src/formats/sqlite/page-size.ts';
import { frameOffset, frameSize } from '../../../src/formats/wal/frame.ts';
import { readSaltRuns } from '../../../src/formats/wal/frame-salts.ts';
import { decodeWALHeader } from '../../../src/formats/wal/header.ts';
import { buildPageMap } from '../../../src/formats/wal/page-map.ts';
import { openWALReader, type WALReader } from '../../../src/formats/wal/reader.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';
import { sharedFixtures } from '../../support/shared-fixtures.ts';
import { readerOf, WALBuilder } from '../../support/wal-builder.ts';

function open(file: Uint8Array, offset?: number, most?: number): WALReader {
  const start = openWALReader(readerOf(file, most), decodeWALHeader(file), offset);
  if (!start.ok) throw new Error(start.problem);
  return start.reader;
}

const frames = (reader: WALReader) => {
  const all: { pgno: number; commit: number; offset: number; page: Buffer }[] = [];
  for (let frame = reader.next(); frame !== undefined; frame = reader.next()) all.push({ ...frame, page: Buffer.from(frame.page) });
  return all;
};

/** Three frames of 512 bytes: pages 1, 2, and 2 again with a commit of 2. */
function small(): WALBuilder {
  const wal = new WALBuilder({ pageSize: 512 });
  wal.frame(1, Buffer.alloc(512, 1));
  wal.frame(2, Buffer.alloc(512, 2));
  wal.frame(2, Buffer.alloc(512, 3), 2);
  return wal;
}

describe('WAL reader', () => {
  const seed = seedFromEnvironment();
  for (const pageSize of PAGE_SIZES) {
    test(`reads back what was written in pages of ${pageSize} bytes, however the file is handed over (seed ${seed})`, () => {
      const random = new Random(seed + pageSize);
      for (const bigEndian of [false, true]) {
        const wal = new WALBuilder({ pageSize, bigEndian, salt1: random.between(0, 2 ** 32 - 1) });
        const count = random.between(0, 2_000_000 / pageSize);
        const written = Array.from({ length: Math.min(count, 60) }, () => {
          const frame = {
            pgno: random.between(1, 99),
            commit: random.chance(0.3) ? random.between(1, 99) : 0,
            page: random.bytes(pageSize),
          };
          return { ...frame, offset: wal.frame(frame.pgno, frame.page, frame.commit) };
        });
        const reader = open(wal.bytes, undefined, random.chance(0.5) ? random.between(1, 3 * pageSize) : undefined);
        expect(frames(reader)).toEqual(written);
        expect(reader.end).toBe('end-of-file');
        expect(reader.offset).toBe(frameOffset(pageSize, written.length));
      }
    });
  }

  test('stops before the first incomplete frame, at every length of the file', () => {
    const { bytes } = small();
    for (let length = 32; length <= bytes.length; length++) {
      const reader = open(bytes.subarray(0, length));
      expect(frames(reader).length).toBe(Math.floor((length - 32) / frameSize(512)));
      expect(reader.end).toBe('end-of-file');
    }
  });

  test('stops at the frame that holds any flipped byte', () => {
    const { bytes } = small();
    for (let at = 32; at < bytes.length; at++) {
      const broken = Buffer.from(bytes);
      broken[at] = (broken[at] ?? 0) ^ 0x40;
      const reader = open(broken);
      const good = Math.floor((at - 32) / frameSize(512));
      const inside = (at - 32) % frameSize(512);
      expect(frames(reader).length, `byte ${at}`).toBe(good);
      expect(reader.end).toBe(inside >= 8 && inside < 16 ? 'salt-mismatch' : 'checksum-mismatch');
      expect(reader.rejected).toBeDefined();
      expect(reader.next()).toBeUndefined();
    }
  });

  test('takes no frame for page 0', () => {
    const wal = small();
    wal.frame(0, Buffer.alloc(512));
    const reader = open(wal.bytes);
    expect(frames(reader).length).toBe(3);
    expect(reader.end).toBe('no-page');
  });

  test('stops where frames of an earlier generation begin after a restart in place', () => {
    const wal = small();
    const { salt1, salt2 } = wal;
    wal.restart(0x1234);
    wal.frame(7, Buffer.alloc(512, 7), 7);
    const reader = open(wal.bytes);
    expect(frames(reader).map((frame) => frame.pgno)).toEqual([7]);
    expect(reader.end).toBe('salt-mismatch');
    expect(reader.rejected).toMatchObject({ salt1, salt2 });
    const size = frameSize(512);
    expect([...readSaltRuns(readerOf(wal.bytes), 512)]).toEqual([
      { salt1: salt1 + 1, salt2: 0x1234, start: 32, end: 32 + size },
      { salt1, salt2, start: 32 + size, end: 32 + 3 * size },
    ]);
    expect([...readSaltRuns(readerOf(wal.bytes), 512, 32, 32 + size)].length).toBe(1);
    expect([...readSaltRuns(readerOf(wal.bytes.subarray(0, 40)), 512)]).toEqual([]);
  });

  test('continues in the middle of a file with the checksum of the frame before', () => {
    const { bytes } = small();
    for (const index of [0, 1, 2, 3]) {
      const reader = open(bytes, frameOffset(512, index));
      expect(frames(reader).length).toBe(3 - index);
      expect(reader.end).toBe('end-of-file');
    }
  });

  test('says why it cannot begin where it is told to', () => {
    const wal = small();
    const begin = (offset: number) => {
      const start = openWALReader(readerOf(wal.bytes), decodeWALHeader(wal.bytes), offset);
      return start.ok ? 'ok' : start.problem;
    };
    expect(begin(0)).toBe('not-a-boundary');
    expect(begin(33)).toBe('not-a-boundary');
    expect(begin(frameOffset(512, 4))).toBe('previous-frame-missing');
    expect(begin(frameOffset(512, 3))).toBe('ok');
    wal.restart(5);
    wal.frame(1, Buffer.alloc(512, 9), 1);
    expect(begin(frameOffset(512, 1))).toBe('ok');
    expect(begin(frameOffset(512, 2))).toBe('previous-frame-salts');
  });

  test('sees frames that are appended while it reads', () => {
    const wal = small();
    let { bytes } = wal;
    const start = openWALReader((position, into) => readerOf(bytes)(position, into), decodeWALHeader(bytes));
    if (!start.ok) throw new Error(start.problem);
    start.reader.next();
    wal.frame(3, Buffer.alloc(512, 4), 3);
    bytes = wal.bytes;
    expect(frames(start.reader).map((frame) => frame.pgno)).toEqual([2, 2, 3]);
  });
});

const upstream = sharedFixtures('upstream/wal-reader');

describe.skipIf(upstream === undefined)('WAL files of the original', () => {
  const file = (name: string) => readFileSync(join(upstream ?? '', name, 'wal'));

  test('ok: three frames, a page map of two pages', () => {
    const wal = file('ok');
    expect(decodeWALHeader(wal)).toMatchObject({ pageSize: 4096, salt1: 0x4875a40b, salt2: 0xa38de4f5 });
    expect(frames(open(wal)).map(({ pgno, commit, offset }) => [offset, pgno, commit])).toEqual([
      [32, 1, 0],
      [4152, 2, 2],
      [8272, 2, 2],
    ]);
    const map = buildPageMap(open(wal));
    expect(map).toMatchObject({ commit: 2, start: 32, end: 12392, frames: 3, transactions: 2, limited: false, walEnd: 'end-of-file' });
    expect([...map.pages]).toEqual([
      [1, 32 + 24],
      [2, 8272 + 24],
    ]);
  });

  for (const [name, end] of [
    ['salt-mismatch', 'salt-mismatch'],
    ['frame-checksum-mismatch', 'checksum-mismatch'],
  ] as const) {
    test(`${name}: stops after the first frame, so that there is no transaction`, () => {
      const reader = open(file(name));
      expect(frames(reader).length).toBe(1);
      expect(reader.end).toBe(end);
      expect(buildPageMap(open(file(name)))).toMatchObject({ commit: 0, start: 32, end: 32, frames: 0, transactions: 0 });
    });
  }

  test('frame-salts: three generations', () => {
    const runs = [...readSaltRuns(readerOf(file('frame-salts')), 4096)];
    expect(runs.map((run) => run.salt1.toString(16))).toEqual(['1b9a294b', '1b9a294a', '1b9a2949']);
    expect(open(file('frame-salts')).header.salt1).toBe(0x1b9a294b);
  });
});
