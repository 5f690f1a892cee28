import { describe, expect, test } from 'vitest';
import { hasCode } from '../../../src/base/errors.ts';
import { decodeWALHeader, readWALHeader, sameSalts, WAL_HEADER_SIZE } from '../../../src/formats/wal/header.ts';
import { readerOf, WALBuilder } from '../../support/wal-builder.ts';

const invalid = (bytes: Uint8Array) => {
  try {
    decodeWALHeader(bytes);
  } catch (error) {
    return hasCode(error, 'WAL_INVALID');
  }
  return false;
};

describe('WAL header', () => {
  for (const pageSize of [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536]) {
    for (const bigEndian of [false, true]) {
      test(`is read for pages of ${pageSize} bytes with ${bigEndian ? 'big' : 'little'}-endian checksums`, () => {
        const { bytes } = new WALBuilder({ pageSize, bigEndian, salt1: 0xffff_ffff, salt2: 7, sequence: 3 });
        expect(decodeWALHeader(bytes)).toMatchObject({ pageSize, bigEndian, salt1: 0xffff_ffff, salt2: 7, sequence: 3 });
      });
    }
  }

  test('too few bytes are WAL_INVALID for the decoder and no WAL for the reader, at every length', () => {
    const { bytes } = new WALBuilder({ pageSize: 4096 });
    for (let length = 0; length < WAL_HEADER_SIZE; length++) {
      expect(invalid(bytes.subarray(0, length))).toBe(true);
      expect(readWALHeader(readerOf(bytes.subarray(0, length)))).toBeUndefined();
    }
    expect(readWALHeader(readerOf(bytes, 5))).toMatchObject({ pageSize: 4096 });
  });

  test('every flipped bit is WAL_INVALID', () => {
    const { bytes } = new WALBuilder({ pageSize: 4096 });
    for (let bit = 0; bit < WAL_HEADER_SIZE * 8; bit++) {
      const broken = Buffer.from(bytes);
      broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(invalid(broken), `bit ${bit}`).toBe(true);
    }
  });

  test('salts are equal only when both are', () => {
    expect(sameSalts({ salt1: 1, salt2: 2 }, { salt1: 1, salt2: 2 })).toBe(true);
    expect(sameSalts({ salt1: 1, salt2: 2 }, { salt1: 1, salt2: 3 })).toBe(false);
    expect(sameSalts({ salt1: 1, salt2: 2 }, { salt1: 2, salt2: 2 })).toBe(false);
  });
});
