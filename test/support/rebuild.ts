/** Rebuilds a database from LTX files in the simplest way there is: apply them in order to a page map. For tests only. */

import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeLTXFile } from '../../src/formats/ltx/file.ts';
import { parseLTXName } from '../../src/formats/ltx/filename.ts';
import type { LTXHeader } from '../../src/formats/ltx/header.ts';

/** Paths of the LTX files of a directory, in TXID order; none when it does not exist. */
export function listLTX(directory: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => parseLTXName(name) !== undefined)
    .sort()
    .map((name) => join(directory, name));
}

export class Rebuild {
  readonly #pages = new Map<number, Buffer>();
  pageSize = 0;
  commit = 0;
  header: LTXHeader | undefined;

  /** Applies one file; refuses a gap between two files. */
  apply(path: string): this {
    const { header } = decodeLTXFile(path, ({ count, pgnos, pages }) => {
      const size = pages.length / count;
      for (let i = 0; i < count; i++) this.#pages.set(pgnos[i] ?? 0, Buffer.from(pages.subarray(i * size, (i + 1) * size)));
    });
    if (this.header !== undefined && header.minTXID !== 1n && header.minTXID !== this.header.maxTXID + 1n)
      throw new Error(`gap before ${path}`);
    this.header = header;
    this.pageSize = header.pageSize;
    this.commit = header.commit;
    for (const pgno of this.#pages.keys()) if (pgno > header.commit) this.#pages.delete(pgno);
    return this;
  }

  /** The image; a missing page is an error, except the lock page. */
  image(): Buffer {
    const image = Buffer.alloc(this.pageSize * this.commit);
    for (let pgno = 1; pgno <= this.commit; pgno++) {
      const page = this.#pages.get(pgno);
      if (page === undefined) {
        if (pgno === 0x4000_0000 / this.pageSize + 1) continue;
        throw new Error(`page ${pgno} is missing`);
      }
      page.copy(image, (pgno - 1) * this.pageSize);
    }
    return image;
  }

  writeTo(path: string): void {
    writeFileSync(path, this.image());
  }
}

/** Applies all files of a directory. */
export function rebuildAll(directory: string): Rebuild {
  const rebuild = new Rebuild();
  for (const path of listLTX(directory)) rebuild.apply(path);
  return rebuild;
}
