/** One file on its way: written beside its final name, durable before it is visible (docs/engine.md, Publishing). */

import { basename, dirname } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import type { FileAttributes, PublishFS } from './publish-fs.ts';

export class StagedWriter {
  readonly path: string;
  readonly #fs: PublishFS;
  readonly #temporary: string;
  #fd: number | undefined;
  #size = 0;

  /** Creates `<path>.tmp`; the directory must exist. */
  constructor(fs: PublishFS, path: string, attributes: FileAttributes) {
    this.path = path;
    this.#fs = fs;
    this.#temporary = `${path}.tmp`;
    this.#fd = fs.open(this.#temporary, attributes);
  }

  /** Bytes written. */
  get size(): number {
    return this.#size;
  }

  write(bytes: Uint8Array): void {
    if (this.#fd === undefined) throw new LitestreamError('INTERNAL', `writing ${this.#temporary}: it is closed`);
    this.#fs.write(this.#fd, this.#temporary, bytes);
    this.#size += bytes.length;
  }

  /**
   * Makes the content durable, then visible under its name. SECOND_WRITER when something stands there already: names are used once.
   * The caller then has to sync the directory: only after that the name is durable too.
   */
  publish(): void {
    const fd = this.#fd;
    if (fd === undefined) throw new LitestreamError('INTERNAL', `publishing ${this.path}: it is closed`);
    this.#fs.sync(fd, this.#temporary);
    this.#fd = undefined;
    this.#fs.close(fd, this.#temporary);
    if (this.#fs.exists(this.path)) throw secondWriter(this.path);
    this.#fs.rename(this.#temporary, this.path);
  }

  /** Removes what is unfinished, quietly: it is called because something else went wrong. Does nothing after publish. */
  discard(): void {
    try {
      const fd = this.#fd;
      this.#fd = undefined;
      if (fd !== undefined) this.#fs.close(fd, this.#temporary);
      this.#fs.remove(this.#temporary);
    } catch {
      // The next start sweeps temporary files.
    }
  }
}

export function secondWriter(path: string): LitestreamError {
  return new LitestreamError('SECOND_WRITER', `publishing ${basename(path)}: another program has written this file into ${dirname(path)}`, {
    details: { path },
    hint: 'Only one program may replicate a database. Stop the other one (perhaps the original litestream), then start this one again.',
  });
}
