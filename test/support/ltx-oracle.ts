/** A second, slow and simple writer and reader of LTX files, for tests to compare with; it shares no code with the product's encoder and decoder. */

import { decodeLz4Frame, encodeLz4Frame } from '../../src/formats/kernel/lz4-frame.ts';
import { crc64, pageChecksum } from '../../src/formats/kernel/oracle/crc64.ts';
import { compressBlock, decompressBlock, storeBlock } from '../../src/formats/kernel/oracle/lz4-block.ts';

export type BlockMaker = (page: Uint8Array) => Uint8Array;

export interface OracleHeader {
  readonly flags?: number;
  readonly pageSize: number;
  readonly commit: number;
  readonly min: bigint;
  readonly max: bigint;
  readonly ts?: bigint;
  readonly pre?: bigint;
  readonly walOffset?: bigint;
  readonly walSize?: bigint;
  readonly salts?: readonly [number, number];
  readonly node?: bigint;
}

export interface OraclePage {
  readonly pgno: number;
  readonly page: Uint8Array;
  readonly form?: 'block' | 'frame';
  /** The LZ4 frame to store for the page, instead of one made here. */
  readonly raw?: Uint8Array;
}

export interface OracleFile {
  readonly header: OracleHeader;
  readonly pages: readonly OraclePage[];
  readonly post?: bigint;
}

const FLAG = 1n << 63n;

export const headerBytes = (header: OracleHeader): Buffer => {
  const bytes = Buffer.alloc(100);
  bytes.write('LTX1', 0, 'latin1');
  bytes.writeUInt32BE(header.flags ?? 2, 4);
  bytes.writeUInt32BE(header.pageSize, 8);
  bytes.writeUInt32BE(header.commit, 12);
  bytes.writeBigUInt64BE(header.min, 16);
  bytes.writeBigUInt64BE(header.max, 24);
  bytes.writeBigInt64BE(header.ts ?? 0n, 32);
  bytes.writeBigUInt64BE(header.pre ?? 0n, 40);
  bytes.writeBigInt64BE(header.walOffset ?? 0n, 48);
  bytes.writeBigInt64BE(header.walSize ?? 0n, 56);
  bytes.writeUInt32BE(header.salts?.[0] ?? 0, 64);
  bytes.writeUInt32BE(header.salts?.[1] ?? 0, 68);
  bytes.writeBigUInt64BE(header.node ?? 0n, 72);
  return bytes;
};

/** The shortest natural block of a page of one byte value: a literal, an overlapping match, 16 literals (docs/formats/ltx.md, Vectors). */
export const constantBlock: BlockMaker = (page) => {
  const byte = page[0] ?? 0;
  const lengths: number[] = [];
  for (let rest = page.length - 17 - 4 - 15; ; rest -= 255) {
    lengths.push(Math.min(rest, 255));
    if (rest < 255) break;
  }
  return Buffer.from([0x1f, byte, 1, 0, ...lengths, 0xf0, 1, ...new Array<number>(16).fill(byte)]);
};

export const literalBlock: BlockMaker = storeBlock;
export const greedyBlock: BlockMaker = compressBlock;

/** Writes a file without checking anything. */
export function writeOracle(file: OracleFile, block: BlockMaker = greedyBlock): Buffer {
  const parts: Buffer[] = [];
  const hashed: Buffer[] = [];
  const put = (bytes: Uint8Array, hash: Uint8Array | undefined = bytes) => {
    parts.push(Buffer.from(bytes));
    if (hash !== undefined) hashed.push(Buffer.from(hash));
  };
  put(headerBytes(file.header));
  let offset = 100;
  const entries: number[] = [];
  for (const { pgno, page, raw, form = raw === undefined ? 'block' : 'frame' } of file.pages) {
    const head = Buffer.alloc(form === 'block' ? 10 : 6);
    head.writeUInt32BE(pgno);
    let payload: Uint8Array = block(page);
    if (form === 'block') {
      head.writeUInt16BE(1, 4);
      head.writeUInt32BE(payload.length, 6);
    } else payload = raw ?? encodeLz4Frame(page, payload);
    put(head);
    put(payload, page);
    const size = head.length + payload.length;
    entries.push(...varint(BigInt(pgno)), ...varint(BigInt(offset)), ...varint(BigInt(size)));
    offset += size;
  }
  put(Buffer.alloc(6));
  entries.push(0);
  put(Buffer.from(entries));
  put(u64(BigInt(entries.length)));
  put(u64(file.post ?? 0n));
  parts.push(u64(crc64(0n, Buffer.concat(hashed)) | FLAG));
  return Buffer.concat(parts);
}

export interface OracleRead {
  readonly pages: Map<number, Buffer>;
  readonly frames: readonly { readonly pgno: number; readonly offset: number; readonly size: number }[];
  readonly post: bigint;
  readonly checksum: bigint;
  /** The checksum that the content gives. */
  readonly computed: bigint;
}

/** Reads a file that is known to be well-formed. */
export function readOracle(file: Uint8Array): OracleRead {
  const bytes = Buffer.from(file);
  const pageSize = bytes.readUInt32BE(8);
  const hashed = [bytes.subarray(0, 100)];
  const pages = new Map<number, Buffer>();
  const frames: { pgno: number; offset: number; size: number }[] = [];
  let at = 100;
  for (let pgno = bytes.readUInt32BE(at); pgno !== 0; pgno = bytes.readUInt32BE(at)) {
    const page = Buffer.alloc(pageSize);
    const offset = at;
    if (bytes.readUInt16BE(at + 4) === 1) {
      const size = bytes.readUInt32BE(at + 6);
      if (decompressBlock(bytes.subarray(at + 10, at + 10 + size), page) !== pageSize) throw new Error(`page ${pgno} is malformed`);
      hashed.push(bytes.subarray(at, at + 10), page);
      at += 10 + size;
    } else {
      const result = decodeLz4Frame(bytes.subarray(at + 6), page);
      if (result.status !== 'done' || result.produced !== pageSize) throw new Error(`page ${pgno} is malformed`);
      hashed.push(bytes.subarray(at, at + 6), page);
      at += 6 + result.consumed;
    }
    pages.set(pgno, page);
    frames.push({ pgno, offset, size: at - offset });
  }
  hashed.push(bytes.subarray(at, bytes.length - 8));
  const checksum = bytes.readBigUInt64BE(bytes.length - 8);
  return {
    pages,
    frames,
    post: bytes.readBigUInt64BE(bytes.length - 16),
    checksum,
    computed: crc64(0n, Buffer.concat(hashed)) | FLAG,
  };
}

/** Rolling checksum of pages in any order. */
export const rollingChecksum = (pages: Iterable<readonly [number, Uint8Array]>): bigint => {
  let sum = FLAG;
  for (const [pgno, page] of pages) sum = (sum ^ pageChecksum(pgno, page)) | FLAG;
  return sum;
};

const u64 = (value: bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(value);
  return bytes;
};

function varint(value: bigint): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}
