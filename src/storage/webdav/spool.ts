/** A body of unknown size, kept in a local file, because many servers and proxies want the size first. */

import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { chunksOf, fileBody } from '../body.ts';
import type { PutBody } from '../object-store.ts';
import type { SentBody } from './http.ts';

export interface Spooled extends SentBody {
  /** Removes the file. Never fails. */
  remove(): Promise<void>;
}

/** Reads `body` into a file that only this user may read. DISK_FULL when there is no room for it; errors of the source pass through. */
export async function spool(body: PutBody, key: string, signal: AbortSignal | undefined): Promise<Spooled> {
  const directory = await local(() => mkdtemp(join(tmpdir(), 'litestream-upload-')));
  const remove = () => rm(directory, { recursive: true, force: true }).catch(() => {}); // the system empties its own directory
  try {
    const path = join(directory, 'body');
    const size = await fill(path, body, key, signal);
    return { size, open: () => fileBody(path, size).open(), remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function fill(path: string, body: PutBody, key: string, signal: AbortSignal | undefined): Promise<number> {
  const file = await local(() => open(path, 'wx', 0o600));
  try {
    let size = 0;
    for await (const chunk of chunksOf(body, key, signal)) {
      await local(() => file.writeFile(chunk));
      size += chunk.byteLength;
    }
    return size;
  } finally {
    await file.close();
  }
}

async function local<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const code = systemCode(error);
    throw new LitestreamError(
      code === 'ENOSPC' || code === 'EDQUOT' ? 'DISK_FULL' : 'STORAGE_UNAVAILABLE',
      `cannot keep an upload in ${tmpdir()} (${code})`,
      {
        cause: error,
        hint: 'Uploads of unknown size are kept there until they are sent: free space, or set TMPDIR to a directory with room.',
        details: { stage: 'spool', path: tmpdir() },
      },
    );
  }
}
