/** The last 16 bytes of an LTX file (docs/formats/ltx.md, Trailer). */

import { viewOf } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { Checksum } from './checksum.ts';

export const LTX_TRAILER_SIZE = 16;

export interface LTXTrailer {
  /** Database checksum after the file; NO_CHECKSUM in what Litestream writes. */
  readonly postApplyChecksum: Checksum;
  /** Over everything before it (docs/formats/ltx.md, Checksums). */
  readonly fileChecksum: Checksum;
}

export function encodeTrailer(trailer: LTXTrailer): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(LTX_TRAILER_SIZE);
  viewOf(bytes).setBigUint64(0, trailer.postApplyChecksum);
  viewOf(bytes).setBigUint64(8, trailer.fileChecksum);
  return bytes;
}

/** Reads a trailer from the last 16 of `bytes`; LTX_TRUNCATED when there are fewer. */
export function decodeTrailer(bytes: Uint8Array): LTXTrailer {
  if (bytes.length < LTX_TRAILER_SIZE)
    throw new LitestreamError('LTX_TRUNCATED', `reading an LTX trailer: there are ${bytes.length} of 16 bytes`);
  const view = viewOf(bytes);
  const at = bytes.length - LTX_TRAILER_SIZE;
  return { postApplyChecksum: view.getBigUint64(at) as Checksum, fileChecksum: view.getBigUint64(at + 8) as Checksum };
}
