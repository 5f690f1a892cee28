/** The part of an upload to an encrypted replica that runs in a thread of its own: one local LTX file in, its ciphertext out (decision 5). */

import { LitestreamError } from '../../base/errors.ts';
import { collectYoung } from '../../base/process-memory.ts';
import { systemCode } from '../../base/system-error.ts';
import { type SealRequest, type SealResult, sealedChunks } from '../../replica/encrypted/sealing.ts';
import { writeStaged } from '../../replica/encrypted/staging.ts';
import { fileBody } from '../../storage/body.ts';
import { passSound } from './verified.ts';

const CHUNK_BYTES = 1024 * 1024;
/** The cipher makes a new buffer of every chunk: so much of them may come together. */
const COLLECT_BYTES = 8 * 1024 * 1024;

/**
 * Encrypts a file and verifies it on the way: what the disk has changed is never published.
 *
 * LTX_CHECKSUM_MISMATCH and the like with `details.path` for a file that is not whole, LTX_MISSING for one that is gone, DISK_FULL.
 */
export async function sealFile({ input, output, ...made }: SealRequest): Promise<SealResult> {
  const { sha256, size } = await writeStaged(output, sealedChunks(passSound(chunksOf(input), input), made));
  return { sha256, size };
}

async function* chunksOf(path: string): AsyncGenerator<Uint8Array, void, void> {
  try {
    let read = 0;
    for await (const chunk of fileBody(path, CHUNK_BYTES).open({ transient: true })) {
      yield chunk;
      read += chunk.length;
      if (read < COLLECT_BYTES) continue;
      read = 0;
      collectYoung();
    }
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') throw new LitestreamError('LTX_MISSING', `local file ${path} has gone`, { cause: error, details: { path } });
    throw new LitestreamError('STORAGE_UNAVAILABLE', `reading local file ${path}: ${code ?? 'it failed'}`, { cause: error });
  }
}
