/** Page sizes of SQLite and the one page of a database that never holds data. */

import { LitestreamError } from '../../base/errors.ts';

/** Every page size SQLite can have, ascending. */
export const PAGE_SIZES: readonly number[] = [512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

/** Byte offset at which SQLite keeps its file locks. */
const LOCK_OFFSET = 0x4000_0000;

export function isPageSize(value: number): boolean {
  return PAGE_SIZES.includes(value);
}

/** The page that contains the lock byte, never replicated (docs/formats/ltx.md, Glossary). `pageSize` must be one of SQLite's; SQLITE_INVALID otherwise. */
export function lockPage(pageSize: number): number {
  if (!isPageSize(pageSize)) throw new LitestreamError('SQLITE_INVALID', `${pageSize} is not a page size of SQLite`);
  return LOCK_OFFSET / pageSize + 1;
}
