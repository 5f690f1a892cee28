/** Unpacks the .tar.gz fixtures with the modification times they carry. */

import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';

const BLOCK = 512;

export interface TarEntry {
  readonly name: string;
  readonly type: 'file' | 'folder';
  /** Seconds since the epoch, with fractions where the archive has them. */
  readonly mtime: number;
  readonly bytes: Buffer;
}

/** Files and folders of a ustar or pax archive; other kinds are an error. */
export function readTar(archive: Buffer): TarEntry[] {
  const entries: TarEntry[] = [];
  let pax = new Map<string, string>();
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const header = archive.subarray(at, at + BLOCK);
    const text = (from: number, length: number) => header.toString('utf8', from, from + length).replace(/\0.*$/s, '');
    const size = Number.parseInt(text(124, 12), 8);
    const bytes = archive.subarray(at + BLOCK, at + BLOCK + size);
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
    const kind = text(156, 1);
    if (kind === 'x') {
      pax = paxRecords(bytes);
      continue;
    }
    if (kind !== '0' && kind !== '5' && kind !== '') throw new Error(`tar entry of kind ${kind}`);
    const prefix = text(345, 155);
    const name = pax.get('path') ?? (prefix === '' ? text(0, 100) : `${prefix}/${text(0, 100)}`);
    const mtime = Number(pax.get('mtime') ?? Number.parseInt(text(136, 12), 8));
    entries.push({ name, type: kind === '5' ? 'folder' : 'file', mtime, bytes });
    pax = new Map();
  }
  return entries;
}

/** Writes the entries of a .tar.gz below `folder`. */
export function unpackTarGz(path: string, folder: string): void {
  const entries = readTar(gunzipSync(readFileSync(path)));
  for (const entry of entries) {
    const target = join(folder, entry.name);
    mkdirSync(entry.type === 'folder' ? target : dirname(target), { recursive: true });
    if (entry.type === 'file') writeFileSync(target, entry.bytes);
  }
  for (const entry of entries.toReversed()) utimesSync(join(folder, entry.name), entry.mtime, entry.mtime);
}

/** Records of the form `<length> <key>=<value>\n`. */
function paxRecords(bytes: Buffer): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number(bytes.toString('utf8', at, space));
    const [key = '', ...value] = bytes.toString('utf8', space + 1, at + length - 1).split('=');
    records.set(key, value.join('='));
    at += length;
  }
  return records;
}
