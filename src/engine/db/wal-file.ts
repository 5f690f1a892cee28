/** The -wal file, opened for a while to be read. It carries no locks, so it may be opened and closed at will. */

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type ReadAt, readFully, viewOf } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';
import { decodeFrameHeader, FRAME_HEADER_SIZE, frameOffset, frameSize } from '../../formats/wal/frame.ts';
import { readWALHeader, sameSalts, WAL_HEADER_SIZE, type WALHeader } from '../../formats/wal/header.ts';
import { buildPageMap, type PageMap, type PageMapOptions } from '../../formats/wal/page-map.ts';
import { openWALReader } from '../../formats/wal/reader.ts';
import type { WALState } from '../../sqlite/checkpoint.ts';
import { type Cursor, cursorEnd } from './cursor.ts';
import type { LastFrame } from './decide.ts';
import { fileError } from './publish-fs.ts';

/** The WAL at one moment. */
export interface WALView extends WALState {
  /** Undefined when the file is missing or has no valid header. */
  readonly header: WALHeader | undefined;
  /** Bytes. */
  readonly fileSize: number;
  /** File offset behind the last frame that SQLite counts as committed; 32 when there is none. */
  readonly end: number;
  /** The frame at which the newest level-0 file ends. */
  readonly lastFrame: LastFrame;
  /** A writer is at work behind `end`: something to look at again soon. */
  readonly inFlight: boolean;
}

export class WALFile {
  readonly path: string;
  #fd: number | undefined;

  /** A missing file reads as an empty one. */
  constructor(path: string) {
    this.path = path;
    this.#fd = openIfThere(path);
  }

  /** Looks for the file again. */
  reopen(): void {
    this.close();
    this.#fd = openIfThere(this.path);
  }

  get size(): number {
    return this.#fd === undefined ? 0 : fstatSync(this.#fd).size;
  }

  readonly read: ReadAt = (position, into) => (this.#fd === undefined ? 0 : readSync(this.#fd, into, 0, into.length, position));

  /** Header, committed end and the frame at the cursor, all of one WAL generation. DB_NOT_READY when the WAL changes too fast to tell. */
  observe(readState: () => WALState, cursor: Cursor | undefined): WALView {
    for (let attempt = 0; attempt < 10; attempt++) {
      const header = this.header();
      const state = readState();
      const lastFrame = cursor === undefined ? 'unknown' : this.#lastFrame(cursor);
      const end = header === undefined ? WAL_HEADER_SIZE : frameOffset(header.pageSize, state.frames);
      const inFlight = header !== undefined && this.#frameBelongs(end, header);
      const fileSize = this.size;
      const again = this.header();
      if (header === undefined ? again === undefined : again !== undefined && sameSalts(header, again)) {
        return { ...state, header, fileSize, end, lastFrame, inFlight };
      }
    }
    throw new LitestreamError('DB_NOT_READY', `reading ${this.path}: it is restarted again and again`);
  }

  /** Which frames from `from` on hold the newest version of each page; undefined when the WAL cannot be read from there. */
  scan(header: WALHeader, from: number, options: PageMapOptions): PageMap | undefined {
    const start = openWALReader(this.read, header, from);
    return start.ok ? buildPageMap(start.reader, options) : undefined;
  }

  /** Checksums of the frame that ends at `end`; undefined when there is none. */
  checksumAt(end: number, pageSize: number): readonly [number, number] | undefined {
    const frame = this.#frameHeader(end - frameSize(pageSize));
    return frame === undefined ? undefined : [frame.checksum1, frame.checksum2];
  }

  /** Safe to call twice. */
  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** Undefined when there is none; one that is being written at this moment counts as none. */
  header(): WALHeader | undefined {
    try {
      return readWALHeader(this.read);
    } catch (error) {
      if (error instanceof LitestreamError && error.code === 'WAL_INVALID') return undefined;
      throw error;
    }
  }

  #frameHeader(offset: number) {
    const bytes = new Uint8Array(FRAME_HEADER_SIZE);
    if (offset < WAL_HEADER_SIZE || readFully(this.read, offset, bytes) < FRAME_HEADER_SIZE) return undefined;
    return decodeFrameHeader(viewOf(bytes));
  }

  #frameBelongs(offset: number, header: WALHeader): boolean {
    const frame = this.#frameHeader(offset);
    return frame !== undefined && sameSalts(frame, header);
  }

  #lastFrame(cursor: Cursor): LastFrame {
    if (cursor.checksum === undefined) return 'unknown';
    const frame = this.#frameHeader(cursorEnd(cursor) - frameSize(cursor.pageSize));
    if (frame === undefined) return 'changed';
    const [checksum1, checksum2] = cursor.checksum;
    return sameSalts(frame, cursor) && frame.checksum1 === checksum1 && frame.checksum2 === checksum2 ? 'intact' : 'changed';
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw fileError(error, `opening ${path}`);
  }
}
