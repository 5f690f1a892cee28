/** The byte range of an `open` call, checked once for every back end. */

import { LitestreamError } from '../base/errors.ts';
import type { OpenOptions } from './object-store.ts';

export interface ByteRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
}

/** What of an object of `size` bytes is delivered; empty when the range lies past its end. Throws USAGE for negative or fractional numbers. */
export function rangeOf(key: string, size: number, options: OpenOptions): ByteRange {
  checkRange(key, options);
  const { offset = 0, length } = options;
  const start = Math.min(offset, size);
  return { start, end: length === undefined ? size : Math.min(size, start + length) };
}

/** Throws USAGE for negative or fractional numbers. */
export function checkRange(key: string, { offset = 0, length }: OpenOptions): void {
  if (isCount(offset) && (length === undefined || isCount(length))) return;
  throw new LitestreamError('USAGE', `cannot open ${key} at offset ${offset}, length ${length}: not a byte range`);
}

const isCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0;
