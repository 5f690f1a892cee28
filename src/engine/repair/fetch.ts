/** Brings files of a replica to the local disk and verifies them on the way. A job: it blocks its thread. */

import { open } from 'node:fs/promises';
import type { FileInfo } from '../../replica/file-info.ts';
import { diskError } from '../restore/disk.ts';
import type { RestoreSource } from '../restore/source.ts';
import { checkFile } from './inspect.ts';

/** Plain data: may cross a thread. */
export interface FetchRequest {
  readonly file: FileInfo;
  /** Absolute path of a new file. */
  readonly path: string;
  /** Absolute directory that exists. */
  readonly scratch: string;
  readonly token?: string;
}

/** Plain data: may cross a thread. */
export interface FetchResult {
  /** Bytes. */
  readonly size: number;
  /** Of the header, ms since the epoch. */
  readonly timestamp: number;
}

/** Throws what is wrong with the file: it is whole when this returns. What stands at `path` after a failure is the caller's to remove. */
export async function fetchFile(
  { file, path }: FetchRequest,
  { source, signal }: { readonly source: RestoreSource; readonly signal: AbortSignal },
): Promise<FetchResult> {
  const opened = await source.open(file, { signal, transient: true });
  try {
    const handle = await open(path, 'wx', 0o600).catch((error: unknown) => {
      throw diskError(error, `creating ${path}`);
    });
    try {
      let size = 0;
      const copied = async function* () {
        for await (const chunk of opened.body) {
          await handle.writeFile(chunk).catch((error: unknown) => {
            throw diskError(error, `writing ${path}`);
          });
          size += chunk.length;
          yield chunk;
        }
      };
      const { timestamp } = await checkFile(file, copied(), () => {});
      return { size, timestamp };
    } finally {
      await handle.close();
    }
  } finally {
    await opened.close();
  }
}
