/** One page out of an LTX file by its page frame alone, for readers that fetch ranges (docs/formats/ltx.md, Page index). */

import { LitestreamError } from '../../base/errors.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { describeStop } from './malformed-page.ts';
import { maxPageFrameSize } from './page-frame.ts';
import type { PageIndexEntry } from './page-index.ts';
import { PageReader } from './page-reader.ts';
import { threadKernel } from './thread-kernel.ts';

/**
 * Inflates the page that `entry` of a page index describes; `frame` are the `entry.size` bytes at `entry.offset`.
 *
 * LTX_INVALID when they are not exactly one frame of that page, LTX_CHECKSUM_MISMATCH when its LZ4 frame says so. Block form has no checksum of
 * its own: only reading the whole file proves the content.
 */
export function decodeSinglePage(frame: Uint8Array, entry: PageIndexEntry, pageSize: number, kernel: Kernel = threadKernel()): Uint8Array {
  const { pgno, offset, size } = entry;
  const refuse = (code: 'LTX_INVALID' | 'LTX_TRUNCATED' | 'LTX_CHECKSUM_MISMATCH', reason: string, cause?: unknown) =>
    new LitestreamError(code, `decoding page ${pgno}: ${reason} (offset ${offset})`, { cause, details: { offset } });
  if (size > maxPageFrameSize(pageSize)) throw refuse('LTX_INVALID', `a frame of ${size} bytes is too large`);
  if (frame.length !== size) throw refuse('LTX_TRUNCATED', `there are ${frame.length} of ${size} bytes`);
  const reader = new PageReader(kernel, { pageSize, windowBytes: pageSize }, offset, 0n);
  try {
    reader.window().set(frame);
    reader.placed(frame.length);
    const { stop, count, cause } = reader.decode();
    const batch = reader.batch(count);
    if (count === 1 && batch.pgnos[0] === pgno && reader.available === 0) return batch.pages.slice();
    if (count === 0 && stop !== 'full' && stop !== 'incomplete' && stop !== 'end-marker') {
      const found = describeStop(stop, frame, cause);
      throw refuse(found.code, found.text, cause);
    }
    throw refuse('LTX_INVALID', 'the page index leads to something else');
  } finally {
    reader.release();
  }
}
