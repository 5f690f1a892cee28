/** Finds in a -wal file whether something is committed behind a captured range. The file carries no locks and may be opened (decision 9). */

import { type FileHandle, open } from 'node:fs/promises';
import { readFully, viewOf } from '../../base/bytes.ts';
import { decodeFrameHeader, FRAME_HEADER_SIZE, frameSize } from '../../formats/wal/frame.ts';
import { decodeWALHeader, sameSalts, WAL_HEADER_SIZE, type WALHeader } from '../../formats/wal/header.ts';
import { openWALReader } from '../../formats/wal/reader.ts';

/** Where the newest local file ends in the WAL, and of which generation. */
export interface CapturedEnd {
  readonly salt1: number;
  readonly salt2: number;
  /** File offset behind the last captured frame. */
  readonly end: number;
}

/** Frames looked at before giving up: a transaction longer than this is left to the modification time. */
const MOST_FRAMES = 4096;
/** A transaction up to this size is verified before it is believed, bytes. */
const MOST_VERIFIED = 8 * 1024 * 1024;

/** True when a whole transaction of the WAL's current generation lies behind `captured`; false also when that cannot be told now. */
export async function isCommittedBehind(walPath: string, captured: CapturedEnd): Promise<boolean> {
  let handle: FileHandle;
  try {
    handle = await open(walPath, 'r');
  } catch {
    return false; // there is none, or the engine says why it cannot be read
  }
  try {
    const header = await headerOf(handle);
    if (header === undefined) return false;
    // After a restart everything in the WAL is newer than what was captured.
    const start = sameSalts(header, captured) ? captured.end : WAL_HEADER_SIZE;
    const end = await firstCommit(handle, header, start);
    if (end === undefined || !(await isWhole(handle, header, start, end))) return false;
    const again = await headerOf(handle);
    return again !== undefined && sameSalts(header, again);
  } catch {
    return false;
  } finally {
    await handle.close();
  }
}

async function headerOf(handle: FileHandle): Promise<WALHeader | undefined> {
  const bytes = new Uint8Array(WAL_HEADER_SIZE);
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
  return bytesRead < bytes.length ? undefined : decodeWALHeader(bytes);
}

/** Offset behind the first commit frame at or after `start`. */
async function firstCommit(handle: FileHandle, header: WALHeader, start: number): Promise<number | undefined> {
  const step = frameSize(header.pageSize);
  const bytes = new Uint8Array(FRAME_HEADER_SIZE);
  for (let frame = 0; frame < MOST_FRAMES; frame++) {
    const offset = start + frame * step;
    const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
    if (bytesRead < bytes.length) return undefined;
    const found = decodeFrameHeader(viewOf(bytes));
    if (!sameSalts(found, header)) return undefined;
    if (found.commit > 0) return offset + step;
  }
  return undefined;
}

/** A commit frame that was not written to its end, because its writer died, is no commit. */
async function isWhole(handle: FileHandle, header: WALHeader, start: number, end: number): Promise<boolean> {
  const from = Math.max(WAL_HEADER_SIZE, start - frameSize(header.pageSize));
  if (end - from > MOST_VERIFIED) return true;
  const bytes = new Uint8Array(end - from);
  const { bytesRead } = await handle.read(bytes, 0, bytes.length, from);
  const held = bytes.subarray(0, bytesRead);
  const opened = openWALReader((position, into) => copyFrom(held, position - from, into), header, start);
  if (!opened.ok) return false;
  while (opened.reader.offset < end) if (opened.reader.next() === undefined) return false;
  return true;
}

function copyFrom(bytes: Uint8Array, position: number, into: Uint8Array): number {
  return readFully(
    (at, target) => {
      const part = bytes.subarray(at, at + target.length);
      target.set(part);
      return part.length;
    },
    Math.max(0, position),
    into,
  );
}
