import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { crc64 } from '../../../src/formats/kernel/oracle/crc64.ts';
import { decodeLTXFile, readLTXFileHeader, readLTXFileIndex, verifyLTXFile } from '../../../src/formats/ltx/file.ts';
import { parseLTXName } from '../../../src/formats/ltx/filename.ts';
import { mergeLTXFiles } from '../../../src/formats/ltx/merge.ts';
import { parseDatabaseHeader } from '../../../src/formats/sqlite/database-header.ts';
import { decodeWALHeader } from '../../../src/formats/wal/header.ts';
import { buildPageMap } from '../../../src/formats/wal/page-map.ts';
import { openWALReader } from '../../../src/formats/wal/reader.ts';
import { constantPage, decode, encode, header } from '../../support/ltx-files.ts';
import { literalBlock, readOracle, rollingChecksum, writeOracle } from '../../support/ltx-oracle.ts';
import { sharedFixtures } from '../../support/shared-fixtures.ts';
import { unpackTarGz } from '../../support/tar.ts';
import { readerOf } from '../../support/wal-builder.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'ltx-file-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const store = (name: string, bytes: Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
};

describe('LTX files on disk', () => {
  const pages = [1, 2, 3].map((pgno) => [pgno, constantPage(pgno)] as const);

  test('are decoded, verified, and their header and index read alone', () => {
    const bytes = encode(header(1, 3, 3), pages);
    const path = store('good', bytes);
    const seen: number[] = [];
    expect(decodeLTXFile(path, (batch) => seen.push(...batch.pgnos))).toMatchObject({ pages: 3, size: bytes.length });
    expect(seen).toEqual([1, 2, 3]);
    expect(verifyLTXFile(path).trailer).toEqual(decode(bytes).trailer);
    expect(readLTXFileHeader(path)).toEqual(decode(bytes).header);
    const index = readLTXFileIndex(path);
    expect(index.header).toEqual(decode(bytes).header);
    expect([...index.entries]).toEqual(readOracle(bytes).frames);
  });

  test('that are damaged or cut are refused with their path', () => {
    const bytes = encode(header(1, 3, 3), pages);
    const damaged = Buffer.from(bytes);
    damaged[130] = (damaged[130] ?? 0) ^ 1;
    const path = store('damaged', damaged);
    expect(() => verifyLTXFile(path)).toThrow(path);
    for (const length of [0, 50, 99, 105, 130]) {
      const short = store('short', bytes.subarray(0, length));
      const truncated = expect.objectContaining({ code: 'LTX_TRUNCATED', message: expect.stringContaining(short) });
      expect(() => verifyLTXFile(short), `${length}`).toThrow(truncated);
      expect(() => readLTXFileIndex(short), `${length}`).toThrow(truncated);
      if (length < 100) expect(() => readLTXFileHeader(short)).toThrow(truncated);
    }
  });

  test('that do not exist are the file system’s error', () => {
    expect(() => verifyLTXFile(join(folder, 'absent'))).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  });
});

describe('a replica written by Litestream 0.5.17', () => {
  const fixture = fileURLToPath(new URL('../../fixtures/v5/vfs-0.5.17.tar.gz', import.meta.url));
  const level = () => join(folder, 'v5', 'replica', 'ltx', '0');
  beforeAll(() => unpackTarGz(fixture, join(folder, 'v5')));

  test('verifies file by file, and each is what its name says', () => {
    const names = readdirSync(level()).sort();
    expect(names).toHaveLength(9);
    for (const name of names) {
      const path = join(level(), name);
      const { header: found, trailer, pages, warnings } = verifyLTXFile(path);
      expect(parseLTXName(name)).toEqual({ minTXID: found.minTXID, maxTXID: found.maxTXID });
      expect(warnings).toEqual([]);
      const oracle = readOracle(readFileSync(path));
      expect(oracle.computed).toBe(trailer.fileChecksum);
      expect(oracle.pages.size).toBe(pages);
      expect([...readLTXFileIndex(path).entries]).toEqual(oracle.frames);
    }
  });

  test('merges into a snapshot of a SQLite database', () => {
    const paths = readdirSync(level()).map((name) => join(level(), name));
    const chunks: Buffer[] = [];
    mergeLTXFiles(paths, (chunk) => chunks.push(Buffer.from(chunk)));
    const snapshot = decode(Buffer.concat(chunks));
    expect(snapshot.header).toMatchObject({ minTXID: 1n, maxTXID: 9n });
    expect(snapshot.pages).toBe(snapshot.header.commit);
    expect(parseDatabaseHeader(snapshot.content.get(1) ?? Buffer.alloc(0))).toMatchObject({ pageSize: snapshot.header.pageSize });
  });
});

const upstream = sharedFixtures('upstream');

describe.skipIf(upstream === undefined)('data of the original', () => {
  const sample = () => join(upstream ?? '', 'store/open-and-write-snapshot/dbs/sqlite.db/ltx/000000000000000d-000000000000000d.ltx');

  test('the sample file of variant v1 is refused as such (row 43)', () => {
    const refused = expect.objectContaining({
      code: 'LTX_INVALID',
      message: expect.stringMatching(/variant v1/),
      details: { offset: 100 },
    });
    expect(() => verifyLTXFile(sample())).toThrow(refused);
    expect(readLTXFileHeader(sample())).toMatchObject({ noChecksum: false, pageSize: 4096, commit: 10, minTXID: 13n, maxTXID: 13n });
    expect(readLTXFileHeader(sample()).preApplyChecksum).toBe(0x9c74a15b4e4f246cn);
  });

  test('pages and both checksums of the sample file are right', () => {
    const bytes = readFileSync(sample());
    const database = readFileSync(join(upstream ?? '', 'store/open-and-write-snapshot/dbs/sqlite.db/database'));
    const pageOf = (pgno: number) => database.subarray((pgno - 1) * 4096, pgno * 4096);
    expect(bytes.length).toBe(12420);
    [1, 7, 8].forEach((pgno, i) => {
      const at = 100 + i * 4100;
      expect(bytes.readUInt32BE(at)).toBe(pgno);
      expect(bytes.subarray(at + 4, at + 4100).equals(pageOf(pgno))).toBe(true);
    });
    expect(bytes.readUInt32BE(0x3070)).toBe(0);
    expect(crc64(0n, bytes.subarray(0, -8)) | (1n << 63n)).toBe(bytes.readBigUInt64BE(bytes.length - 8));
    const all = Array.from({ length: 10 }, (_, i) => [i + 1, pageOf(i + 1)] as const);
    expect(rollingChecksum(all)).toBe(bytes.readBigUInt64BE(bytes.length - 16));
  });

  test('V6: a WAL becomes the first level-0 file', () => {
    const wal = readFileSync(join(upstream ?? '', 'wal-reader/ok/wal'));
    const walHeader = decodeWALHeader(wal);
    const start = openWALReader(readerOf(wal), walHeader);
    if (!start.ok) throw new Error(start.problem);
    const map = buildPageMap(start.reader);
    const pages = [...map.pages].sort(([a], [b]) => a - b).map(([pgno, at]) => [pgno, wal.subarray(at, at + 4096)] as const);
    expect(rollingChecksum(pages)).toBe(0xa575d506f947e5b9n);
    const { salt1, salt2 } = walHeader;
    const expected = writeOracle(
      {
        header: {
          pageSize: 4096,
          commit: map.commit,
          min: 1n,
          max: 1n,
          ts: 1_700_000_000_000n,
          walOffset: BigInt(map.start),
          walSize: BigInt(map.end - map.start),
          salts: [salt1, salt2],
        },
        pages: pages.map(([pgno, page]) => ({ pgno, page })),
      },
      literalBlock,
    );
    expect(expected.length).toBe(8388);
    expect(expected.readBigUInt64BE(8380)).toBe(0xf304526ba6708b12n);
    expect(readOracle(expected).frames).toEqual([
      { pgno: 1, offset: 100, size: 4124 },
      { pgno: 2, offset: 4224, size: 4124 },
    ]);
    const init = {
      pageSize: 4096,
      timestamp: 1_700_000_000_000,
      walOffset: map.start,
      walSize: map.end - map.start,
      walSalt1: salt1,
      walSalt2: salt2,
    };
    const ours = decode(encode(header(1, 1, map.commit, init), pages));
    expect(ours.header).toEqual(decode(expected).header);
    expect(ours.content).toEqual(decode(expected).content);
  });
});
