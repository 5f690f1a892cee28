/** The local level-0 directory: the log of everything captured, and the queue of the uploaders. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { systemCode } from '../../base/system-error.ts';
import { formatLTXName, parseLTXName } from '../../formats/ltx/filename.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import { type FileAttributes, fileError, type PublishFS } from './publish-fs.ts';

export interface LocalFile {
  readonly path: string;
  readonly minTXID: TXID;
  readonly maxTXID: TXID;
}

/** Level-0 directory below a metadata directory (docs/engine.md, Local state). */
export const localLogDirectory = (metaPath: string): string => join(metaPath, 'ltx', '0');

export class LocalLog {
  readonly directory: string;
  readonly #metaPath: string;
  readonly #fs: PublishFS;

  constructor(metaPath: string, fs: PublishFS) {
    this.#metaPath = metaPath;
    this.directory = localLogDirectory(metaPath);
    this.#fs = fs;
  }

  makeDirectory(attributes: FileAttributes): void {
    this.#fs.mkdir(this.directory, attributes);
  }

  pathOf(txid: TXID): string {
    return join(this.directory, formatLTXName({ minTXID: txid, maxTXID: txid }));
  }

  has(txid: TXID): boolean {
    return this.#fs.exists(this.pathOf(txid));
  }

  /** The file with the largest maxTXID; undefined when there is none. */
  newest(): LocalFile | undefined {
    let newest: LocalFile | undefined;
    for (const name of entries(this.directory)) {
      const range = parseLTXName(name);
      if (range === undefined || (newest !== undefined && range.maxTXID <= newest.maxTXID)) continue;
      newest = { path: join(this.directory, name), ...range };
    }
    return newest;
  }

  /** Moves a damaged file out of sight; kept for people to look at. */
  setAside(file: LocalFile): string {
    const aside = `${file.path}.damaged`;
    this.#fs.rename(file.path, aside);
    return aside;
  }

  /** Removes what an interrupted writer left anywhere below the metadata directory; returns how many. */
  sweepTemporary(): number {
    const names = entries(this.#metaPath, true).filter((name) => name.endsWith('.tmp'));
    for (const name of names) this.#fs.remove(join(this.#metaPath, name));
    return names.length;
  }
}

function entries(directory: string, recursive = false): string[] {
  try {
    return readdirSync(directory, { recursive, encoding: 'utf8' });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw fileError(error, `listing ${directory}`);
  }
}
