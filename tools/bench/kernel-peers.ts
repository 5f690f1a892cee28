/** The npm packages that the kernel bench compares with. They are not dependencies: each is measured if it happens to be installed. */

import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { absence, type PeerName, peerDirectory } from '../peers.ts';

/** One page-wise operation of a package. Blocks are whatever the package makes of a page. */
export interface Peer {
  readonly name: string;
  crc64?(page: Uint8Array): unknown;
  compress?(page: Uint8Array): Uint8Array;
  decompress?(block: Uint8Array): Uint8Array;
}

interface Crc64Hasher {
  init(): Crc64Hasher;
  update(data: Uint8Array): Crc64Hasher;
  digest(): string;
}

const ISO = 'd800000000000000';

/** The peers that `node tools/peers.ts` has installed; those missing are named in `absent`. */
export async function findPeers(): Promise<{ found: Peer[]; absent: string[] }> {
  const absent: string[] = [];
  const found: Peer[] = [];
  const attempts: [PeerName, (module: Record<string, unknown>) => Promise<Peer>][] = [
    ['hash-wasm', hashWasm],
    ['lz4-wasm-nodejs', async (module) => blocks('lz4-wasm-nodejs', module.compress, module.decompress)],
    ['lz4-napi', async (module) => blocks('lz4-napi', module.compressSync, module.uncompressSync)],
  ];
  for (const [name, open] of attempts) {
    const directory = peerDirectory(name);
    if (directory === undefined) {
      absent.push(absence(name));
      continue;
    }
    const file = createRequire(path.join(directory, 'package.json')).resolve(name);
    found.push(await open((await import(pathToFileURL(file).href)) as Record<string, unknown>));
  }
  return { found, absent };
}

async function hashWasm(module: Record<string, unknown>): Promise<Peer> {
  const create = module.createCRC64 as (polynomial: string) => Promise<Crc64Hasher>;
  const hasher = await create(ISO);
  return { name: 'hash-wasm', crc64: (page) => hasher.init().update(page).digest() };
}

function blocks(name: string, compress: unknown, decompress: unknown): Peer {
  type Operation = (bytes: Uint8Array) => Uint8Array;
  return { name, compress: compress as Operation, decompress: decompress as Operation };
}
