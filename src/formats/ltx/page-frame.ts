/** One page inside an LTX file: page number, flags and a compressed payload (docs/formats/ltx.md, Page frames). */

/** Bytes of page number and flags. */
export const PAGE_HEADER_SIZE = 6;
/** Page flag of v3-block: a size and an LZ4 block follow. Without it an LZ4 frame follows. */
export const BLOCK_FLAG = 0x1;
/** Closes the page block: page 0, no flags. */
export const END_MARKER: Uint8Array = new Uint8Array(PAGE_HEADER_SIZE);

/** How pages are stored: v3-block (LZ4 block) or v3-frame (LZ4 frame, readable by every 0.5.x). */
export type PageForm = 'block' | 'frame';

/** Most bytes a page frame is believed to have; both forms need a little more than a page, other writers may spend some more. */
export const maxPageFrameSize = (pageSize: number): number => 2 * pageSize + 4096;
