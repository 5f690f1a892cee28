/** Says what is wrong with a page frame, and recognises the variants of LTX that are not supported (docs/formats/ltx.md, Layout). */

import { viewOf } from '../../base/bytes.ts';
import { hasCode } from '../../base/errors.ts';
import { DATABASE_MAGIC } from '../sqlite/database-header.ts';
import type { BatchStop } from './page-reader.ts';

/** Where a decoder cannot go on. */
export type MalformedStop = Exclude<BatchStop, 'end-marker' | 'full' | 'incomplete'>;

export interface MalformedPage {
  readonly code: 'LTX_INVALID' | 'LTX_CHECKSUM_MISMATCH';
  readonly text: string;
}

const LZ4_MAGIC = 0x0422_4d18;

/** `bytes` are those of the refused frame, as many as are at hand; `cause` is what its LZ4 frame was refused for. */
export function describeStop(stop: MalformedStop, bytes: Uint8Array, cause?: unknown): MalformedPage {
  const pgno = bytes.length < 4 ? 0 : viewOf(bytes).getUint32(0);
  const variant = stop === 'bad-flags' || stop === 'bad-frame' ? recogniseVariant(bytes) : undefined;
  const code = hasCode(cause, 'LTX_CHECKSUM_MISMATCH') && variant === undefined ? 'LTX_CHECKSUM_MISMATCH' : 'LTX_INVALID';
  return { code, text: variant ?? explain(stop, pgno, bytes) };
}

function explain(stop: MalformedStop, pgno: number, bytes: Uint8Array): string {
  switch (stop) {
    case 'bad-page-number':
      return 'a page frame has the page number 0';
    case 'bad-flags':
      return `page ${pgno} has the unknown flags 0x${viewOf(bytes).getUint16(4).toString(16)}`;
    case 'bad-size':
      return `page ${pgno} has an impossible size`;
    case 'bad-block':
      return `the LZ4 block of page ${pgno} is malformed or does not hold one page`;
    case 'bad-frame':
      return `the LZ4 frame of page ${pgno} is malformed or does not hold one page`;
    case 'too-long':
      return `the LZ4 frame of page ${pgno} has no end`;
  }
}

/** Both old variants have page headers of 4 bytes, so that data stands where the flags are expected. */
function recogniseVariant(bytes: Uint8Array): string | undefined {
  const data = bytes.subarray(4);
  if (data.length >= 4 && viewOf(data).getUint32(0) === LZ4_MAGIC) {
    return 'the file is of variant v2 (development builds before 0.5), which is not supported';
  }
  if (data.length >= DATABASE_MAGIC.length && DATABASE_MAGIC.every((byte, at) => data[at] === byte)) {
    return 'the file is of variant v1 (LiteFS), which is not supported';
  }
  return undefined;
}
