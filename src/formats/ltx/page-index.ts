/** The page index at the end of an LTX file: which page frame lies where (format.md §5). */

export interface PageIndexEntry {
  readonly pgno: number;
  /** File offset of the page frame. */
  readonly offset: number;
  /** Bytes of the page frame: header, size field and payload. */
  readonly size: number;
}

/** Bytes of a file's tail that hold the whole index of most files: what to fetch first. */
export const PAGE_INDEX_TAIL_SIZE = 32 * 1024;

/** Where the entries of the index lie in the file, `size` without the size field. `tail` are the last bytes of a file of `fileSize` bytes, at least 24 (or the whole file). */
export function locatePageIndex(_tail: Uint8Array, _fileSize: number): { readonly offset: number; readonly size: number } {
  throw new Error('not written yet');
}

/** The entries, checked one by one while they are read: nothing is kept in memory. LTX_INVALID on the first wrong one. `bytes` are the `size` bytes at `offset` of locatePageIndex. */
export function readPageIndex(
  _bytes: Uint8Array,
  _where: { readonly offset: number; readonly pageSize: number; readonly commit: number },
): Generator<PageIndexEntry, void, void> {
  throw new Error('not written yet');
}
