/** MB/s of each kernel on 4 KiB pages of a realistic database, next to its oracle, the best npm package present and the same loop in C. */

import { FRAME_HEADER_SIZE, Kernel } from '../../src/formats/kernel/kernel.ts';
import { crc64 } from '../../src/formats/kernel/oracle/crc64.ts';
import { compressBlock, decompressBlock } from '../../src/formats/kernel/oracle/lz4-block.ts';
import { WALChecksum } from '../../src/formats/wal/checksum.ts';
import { findPeers, type Peer } from './kernel-peers.ts';
import { measureNative } from './native-kernel.ts';
import { load } from './proc.ts';
import { type Report, table } from './report.ts';
import { samplePages } from './sample-pages.ts';

export const name = 'kernels';
export const description = 'MB/s of uncompressed 4 KiB pages in one thread, next to oracle, npm packages and C';

const PAGE_SIZE = 4096;
const SAMPLE_BYTES = 40 * 2 ** 20;
const BATCH = 256;
const ROUNDS = 5;
/** Oracles are slow: they are measured on the first pages only. */
const ORACLE_PAGES = 256;

const ROWS = ['crc64', 'lz4-compress', 'lz4-decompress', 'encode', 'decode', 'wal-checksum'] as const;
type Row = (typeof ROWS)[number];
type Speeds = Partial<Record<Row, number>>;

/** Best MB/s of several rounds of `work` over `bytes` bytes: what the loop can do, not what the neighbours left of it. */
function speed(bytes: number, work: () => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) {
    const from = performance.now();
    work();
    best = Math.min(best, performance.now() - from);
  }
  return bytes / best / 1000;
}

function pagesOf(data: Uint8Array): Uint8Array[] {
  return Array.from({ length: Math.floor(data.length / PAGE_SIZE) }, (_, index) =>
    data.subarray(index * PAGE_SIZE, (index + 1) * PAGE_SIZE),
  );
}

/** Speeds of the product's own kernels. */
export function measureKernel(data: Uint8Array): Speeds {
  const kernel = Kernel.create();
  const count = Math.floor(data.length / PAGE_SIZE);
  const bytes = count * PAGE_SIZE;
  const source = kernel.allocate(bytes);
  kernel.view(source, bytes).set(data.subarray(0, bytes));
  const block = PAGE_SIZE + 64;
  const packed = kernel.allocate(count * block);
  const sizes = new Uint32Array(count);
  const page = kernel.allocate(PAGE_SIZE);
  const each = (work: (index: number) => void) => (): void => {
    for (let index = 0; index < count; index++) work(index);
  };
  const result: Speeds = {
    crc64: speed(
      bytes,
      each((index) => kernel.crc64(0n, source + index * PAGE_SIZE, PAGE_SIZE)),
    ),
    'lz4-compress': speed(
      bytes,
      each((index) => {
        sizes[index] = kernel.lz4Compress(source + index * PAGE_SIZE, PAGE_SIZE, packed + index * block);
      }),
    ),
    'lz4-decompress': speed(
      bytes,
      each((index) => kernel.lz4Decompress(packed + index * block, sizes[index] ?? 0, page, PAGE_SIZE)),
    ),
  };
  return { ...result, ...measureBatches(data.subarray(0, bytes)) };
}

/** The fused loops, without the copies in and out: files are read into and written out of the kernel's memory. */
function measureBatches(data: Uint8Array): Speeds {
  const kernel = Kernel.create();
  const encode = kernel.allocateEncode(PAGE_SIZE, BATCH);
  const decode = kernel.allocateDecode(PAGE_SIZE, BATCH, encode.outputBytes);
  const best: Speeds = {};
  for (let round = 0; round < ROUNDS; round++) {
    let encoding = 0;
    let decoding = 0;
    for (let at = 0; at < data.length; at += BATCH * PAGE_SIZE) {
      const part = data.subarray(at, at + BATCH * PAGE_SIZE);
      const count = part.length / PAGE_SIZE;
      kernel.view(encode.pages, part.length).set(part);
      kernel.words(encode.pgnos, count).forEach((_, index, words) => {
        words[index] = at / PAGE_SIZE + index + 1;
      });
      const begun = performance.now();
      const bytes = kernel.encodeBatch(encode, count);
      encoding += performance.now() - begun;
      kernel.view(decode.input, bytes).set(kernel.view(encode.output, bytes));
      const again = performance.now();
      const decoded = kernel.decodeBatch(decode, 0, bytes);
      decoding += performance.now() - again;
      if (decoded.pages !== count || decode.crc !== encode.crc) throw new Error('the batch loops disagree');
    }
    best.encode = Math.max(best.encode ?? 0, data.length / encoding / 1000);
    best.decode = Math.max(best.decode ?? 0, data.length / decoding / 1000);
  }
  return best;
}

function measureOracles(pages: readonly Uint8Array[]): Speeds {
  const some = pages.slice(0, ORACLE_PAGES);
  const bytes = some.length * PAGE_SIZE;
  const blocks = some.map(compressBlock);
  const header = new Uint8Array(FRAME_HEADER_SIZE);
  const out = new Uint8Array(PAGE_SIZE);
  const inflateAll = (): void =>
    blocks.forEach((block) => {
      decompressBlock(block, out);
    });
  const sumAll = (): void =>
    some.forEach((page) => {
      crc64(crc64(0n, header), page);
    });
  return {
    crc64: speed(bytes, () =>
      some.forEach((page) => {
        crc64(0n, page);
      }),
    ),
    'lz4-compress': speed(bytes, () =>
      some.forEach((page) => {
        compressBlock(page);
      }),
    ),
    'lz4-decompress': speed(bytes, inflateAll),
    encode: speed(bytes, () => {
      some.forEach((page) => {
        compressBlock(page);
      });
      sumAll();
    }),
    decode: speed(bytes, () => {
      inflateAll();
      sumAll();
    }),
  };
}

/** WAL sums are plain TypeScript in the product; there is no kernel of them. */
function measureWalChecksum(pages: readonly Uint8Array[]): Speeds {
  const sum = new WALChecksum(false);
  return {
    'wal-checksum': speed(pages.length * PAGE_SIZE, () =>
      pages.forEach((page) => {
        sum.update(page);
      }),
    ),
  };
}

function measurePeer(peer: Peer, pages: readonly Uint8Array[]): Speeds {
  const bytes = pages.length * PAGE_SIZE;
  const { crc64: sum, compress, decompress } = peer;
  const result: Speeds = {};
  if (sum !== undefined)
    result.crc64 = speed(bytes, () =>
      pages.forEach((page) => {
        sum(page);
      }),
    );
  if (compress === undefined || decompress === undefined) return result;
  const blocks = pages.map((page) => compress(page));
  result['lz4-compress'] = speed(bytes, () =>
    pages.forEach((page) => {
      compress(page);
    }),
  );
  result['lz4-decompress'] = speed(bytes, () =>
    blocks.forEach((block) => {
      decompress(block);
    }),
  );
  return result;
}

const number = (value: number | undefined): string => (value === undefined ? '-' : value.toFixed(value < 100 ? 1 : 0));

/** A speed and how many times as fast ours is. */
function against(ours: number | undefined, other: number | undefined): string {
  return ours === undefined || other === undefined ? '-' : `${number(other)} (${(ours / other).toFixed(2)}x)`;
}

function bestPeer(row: Row, peers: readonly { readonly name: string; readonly speeds: Speeds }[]) {
  const having = peers.filter((peer) => peer.speeds[row] !== undefined);
  return having.sort((a, b) => (b.speeds[row] ?? 0) - (a.speeds[row] ?? 0))[0];
}

/** Speeds have no limits here: they depend on the machine. The ratios are what to look at. */
export async function run(): Promise<Report> {
  const data = samplePages(SAMPLE_BYTES, PAGE_SIZE);
  const pages = pagesOf(data);
  const ours: Speeds = { ...measureKernel(data), ...measureWalChecksum(pages) };
  const oracles = measureOracles(pages);
  const { found, absent } = await findPeers();
  const peers = found.map((peer) => ({ name: peer.name, speeds: measurePeer(peer, pages) }));
  const native = measureNative(data, PAGE_SIZE);

  const rows = ROWS.map((row) => {
    const peer = bestPeer(row, peers);
    const npm = peer === undefined ? '-' : `${against(ours[row], peer.speeds[row])} ${peer.name}`;
    return [row, number(ours[row]), against(ours[row], oracles[row]), npm, against(ours[row], native?.get(row))];
  });
  const lines = [
    ...table([['', 'ours', 'oracle', 'best npm package', 'C -O3'], ...rows]),
    `best of ${ROUNDS}; in brackets: how many times as fast ours is; ${load()}`,
  ];
  lines.push(...absent);
  if (native === undefined) lines.push('absent: gcc');
  return { lines, missed: [] };
}
