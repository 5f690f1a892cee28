import { describe, expect, test } from 'vitest';
import { type ErrorCode, LitestreamError } from '../../../src/base/errors.ts';
import { toChecksum } from '../../../src/formats/ltx/checksum.ts';
import { decodeHeader, encodeHeader, isSnapshot, LTX_HEADER_SIZE, makeHeader } from '../../../src/formats/ltx/header.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { PAGE_SIZES } from '../../../src/formats/sqlite/page-size.ts';
import { header } from '../../support/ltx-files.ts';
import { headerBytes } from '../../support/ltx-oracle.ts';
import { Random, seedFromEnvironment } from '../../support/random.ts';

function refusal(run: () => unknown): { code: ErrorCode; offset: unknown } {
  try {
    run();
  } catch (error) {
    if (error instanceof LitestreamError) return { code: error.code, offset: error.details?.offset };
    throw error;
  }
  throw new Error('nothing was refused');
}

const FLAG = 1n << 63n;

describe('LTX header', () => {
  const seed = seedFromEnvironment();
  test(`what is encoded is decoded, over the whole range of every field (seed ${seed})`, () => {
    const random = new Random(seed);
    const u32 = () => random.pick([0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, random.between(0, 0xffff_ffff)]);
    const u64 = () => (BigInt(u32()) << 32n) | BigInt(u32());
    for (let round = 0; round < 500; round++) {
      const noChecksum = random.chance(0.5);
      const min = random.pick([1n, 2n, u64() >> 1n]) || 1n;
      const walOffset = random.pick([0, 32, 2 ** 40]);
      const written = makeHeader({
        noChecksum,
        pageSize: random.pick(PAGE_SIZES),
        commit: u32() || 1,
        minTXID: toTXID(min),
        maxTXID: toTXID(min + random.pick([0n, 1n, 2n ** 62n])),
        timestamp: random.pick([0, -1, 1_700_000_000_123, Number.MAX_SAFE_INTEGER]),
        preApplyChecksum: toChecksum(noChecksum || min === 1n ? 0n : u64() | FLAG),
        walOffset,
        walSize: walOffset === 0 ? 0 : random.pick([0, 4120, 2 ** 41]),
        walSalt1: walOffset === 0 ? 0 : u32(),
        walSalt2: walOffset === 0 ? 0 : u32(),
        nodeID: u64(),
      });
      expect(decodeHeader(encodeHeader(written))).toEqual(written);
      expect(isSnapshot(written)).toBe(min === 1n);
    }
  });

  test('fewer than 100 bytes are LTX_TRUNCATED, at every length', () => {
    const bytes = encodeHeader(makeHeader(header(1, 1, 1)));
    for (let length = 0; length < LTX_HEADER_SIZE; length++) {
      expect(refusal(() => decodeHeader(bytes.subarray(0, length)))).toEqual({ code: 'LTX_TRUNCATED', offset: length });
    }
  });

  const good = { pageSize: 512, commit: 3, min: 2n, max: 3n };
  const bad: readonly (readonly [string, number, Buffer])[] = [
    ['a wrong magic', 0, Buffer.concat([Buffer.from('LTX2'), headerBytes(good).subarray(4)])],
    ['zero bytes', 0, Buffer.alloc(100)],
    ['an unknown flag', 4, headerBytes({ ...good, flags: 6 })],
    ['the flag of variant v1', 4, headerBytes({ ...good, flags: 1 })],
    ['page size 0', 8, headerBytes({ ...good, pageSize: 0 })],
    ['page size 1, as SQLite stores 65536', 8, headerBytes({ ...good, pageSize: 1 })],
    ['page size 256', 8, headerBytes({ ...good, pageSize: 256 })],
    ['page size 131072', 8, headerBytes({ ...good, pageSize: 131072 })],
    ['page size 1000', 8, headerBytes({ ...good, pageSize: 1000 })],
    ['commit 0 without database checksums', 12, headerBytes({ ...good, commit: 0 })],
    ['minTXID 0', 16, headerBytes({ ...good, min: 0n })],
    ['maxTXID before minTXID', 24, headerBytes({ ...good, max: 1n })],
    ['a timestamp no number can hold', 32, headerBytes({ ...good, ts: 2n ** 53n })],
    ['a pre-apply checksum without the flag', 40, headerBytes({ ...good, flags: 0, pre: 1n })],
    ['no pre-apply checksum where there should be one', 40, headerBytes({ ...good, flags: 0 })],
    ['a pre-apply checksum in a snapshot', 40, headerBytes({ ...good, flags: 0, min: 1n, pre: FLAG })],
    ['a pre-apply checksum in a file without checksums', 40, headerBytes({ ...good, pre: FLAG })],
    ['a negative WAL offset', 48, headerBytes({ ...good, walOffset: -1n })],
    ['a negative WAL size', 56, headerBytes({ ...good, walOffset: 32n, walSize: -1n })],
    ['a WAL size without an offset', 56, headerBytes({ ...good, walSize: 1n })],
    ['salt 1 without an offset', 64, headerBytes({ ...good, salts: [1, 0] })],
    ['salt 2 without an offset', 64, headerBytes({ ...good, salts: [0, 1] })],
  ];
  for (const [title, offset, bytes] of bad) {
    test(`${title} is LTX_INVALID at offset ${offset}`, () => {
      expect(refusal(() => decodeHeader(bytes))).toEqual({ code: 'LTX_INVALID', offset });
    });
  }

  test('a header that would be refused is not written', () => {
    for (const broken of [
      { pageSize: 500 },
      { commit: 0 },
      { commit: 1.5 },
      { commit: 2 ** 32 },
      { timestamp: 1.5 },
      { walOffset: -1 },
      { walSalt1: 2 ** 32 },
    ]) {
      expect(refusal(() => encodeHeader(makeHeader(header(1, 1, 1, broken)))).code).toBe('LTX_INVALID');
    }
  });

  test('reserved bytes may hold anything', () => {
    const bytes = headerBytes(good).fill(0xee, 80);
    expect(decodeHeader(bytes).commit).toBe(3);
  });
});
