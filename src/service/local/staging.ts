/** Where level-9 files wait for their upload: a directory of its own for each, so that two copies of one position do not meet. */

import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

const PREFIX = 'snapshot-';

export class Staging {
  readonly #metaPath: string;
  readonly #inUse = new Set<string>();

  /** @param metaPath metadata directory of a database that this process owns. */
  constructor(metaPath: string) {
    this.#metaPath = metaPath;
  }

  /** Lets `work` fill a new directory and removes it afterwards. */
  async with<T>(work: (directory: string) => Promise<T>): Promise<T> {
    await mkdir(this.#metaPath, { recursive: true });
    const directory = await mkdtemp(join(this.#metaPath, PREFIX));
    this.#inUse.add(directory);
    try {
      return await work(directory);
    } finally {
      this.#inUse.delete(directory);
      await rm(directory, { recursive: true, force: true });
    }
  }

  /** Removes what earlier processes left; only for the owner of the database. */
  async sweep(): Promise<void> {
    for (const name of await readdir(this.#metaPath)) {
      const path = join(this.#metaPath, name);
      if (name.startsWith(PREFIX) && !this.#inUse.has(path)) await rm(path, { recursive: true, force: true });
    }
  }
}
