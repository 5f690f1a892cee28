/** LTX files on the local disk, read with synchronous calls straight into the kernel's memory. */

import type { DecodedLTX, LTXDecoderOptions, PageBatch } from './decoder.ts';
import type { LTXHeader } from './header.ts';
import type { PageIndexEntry } from './page-index.ts';

/** Decodes and verifies a whole file. File errors pass through; format errors name the path. */
export function decodeLTXFile(_path: string, _onPages: (batch: PageBatch) => void, _options?: LTXDecoderOptions): DecodedLTX {
  throw new Error('not written yet');
}

/** Verifies a whole file. */
export const verifyLTXFile = (path: string): DecodedLTX => decodeLTXFile(path, () => {});

/** Reads and validates the header only. */
export function readLTXFileHeader(_path: string): LTXHeader {
  throw new Error('not written yet');
}

/** Header and page index, without reading the pages. */
export function readLTXFileIndex(_path: string): { readonly header: LTXHeader; readonly entries: Iterable<PageIndexEntry> } {
  throw new Error('not written yet');
}
