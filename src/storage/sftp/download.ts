/** Receiving a range of one file with many reads under way. */

import { orAbort } from '../../base/abortable.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { ByteRange } from '../range.ts';
import type { RemoteHandle, Session } from './session.ts';

/** Bytes in one read. Servers need not give more than 32 KiB. */
const PIECE_BYTES = 32 * 1024;

/** Reads under way at the beginning, doubled with each one that is taken: most files are read in part only. */
const FIRST_READS = 2;

/** 1 MiB for each reader. */
const MOST_READS = 32;

/**
 * The bytes of a range in order. READ_TRUNCATED when the file has become shorter; ends with `signal.reason` when aborted. The handle stays
 * open.
 */
export async function* download(
  session: Session,
  handle: RemoteHandle,
  range: ByteRange,
  { path, signal }: DownloadOptions,
): AsyncGenerator<Buffer> {
  const pending: Promise<Buffer>[] = [];
  let next = range.start;
  let most = FIRST_READS;
  while (next < range.end || pending.length > 0) {
    while (next < range.end && pending.length < most) {
      const length = Math.min(PIECE_BYTES, range.end - next);
      const piece = readWhole(session, handle, { path, position: next, length });
      piece.catch(() => {}); // told when its turn comes
      pending.push(piece);
      next += length;
    }
    const [first] = pending;
    if (first === undefined) return;
    const bytes = await orAbort(first, signal);
    pending.shift();
    most = Math.min(MOST_READS, most * 2);
    yield bytes;
    signal?.throwIfAborted();
  }
}

export interface DownloadOptions {
  readonly path: string;
  readonly signal: AbortSignal | undefined;
}

interface Piece {
  readonly path: string;
  readonly position: number;
  readonly length: number;
}

async function readWhole(session: Session, handle: RemoteHandle, { path, position, length }: Piece): Promise<Buffer> {
  const bytes = await session.read(handle, position, length);
  if (bytes.byteLength === length) return bytes;
  const end = position + bytes.byteLength;
  throw new LitestreamError('READ_TRUNCATED', `${path} ended at ${end} while bytes up to ${position + length} were read`);
}
