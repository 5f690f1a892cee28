/** Tells a damaged file from one that was changed on its way: a cache or a proxy between may hand out wrong bytes once. */

import { type ErrorCode, LitestreamError } from '../../base/errors.ts';
import { describeFile, type FileInfo } from '../../replica/file-info.ts';
import { checkFile } from '../repair/inspect.ts';
import type { RestoreSource } from './source.ts';

const DAMAGE: ReadonlySet<ErrorCode> = new Set(['LTX_INVALID', 'LTX_CHECKSUM_MISMATCH', 'LTX_TRUNCATED']);

export class SecondLook {
  readonly #source: RestoreSource;
  readonly #signal: AbortSignal;
  readonly #seen = new Set<string>();

  constructor(source: RestoreSource, signal: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  /** Reads a file that failed with `error` once more, to its end. True when it is whole after all; once for each file. */
  async isWhole(file: FileInfo, error: unknown): Promise<boolean> {
    const name = describeFile(file);
    // Nothing stands between here and a file of this machine.
    if (this.#source.localPath?.(file) !== undefined) return false;
    if (!(error instanceof LitestreamError) || !DAMAGE.has(error.code) || this.#seen.has(name)) return false;
    this.#seen.add(name);
    try {
      const opened = await this.#source.open(file, { signal: this.#signal, transient: true });
      try {
        await checkFile(file, opened.body, () => {});
        return true;
      } finally {
        await opened.close();
      }
    } catch {
      this.#signal.throwIfAborted();
      return false;
    }
  }
}
