/** The position at start-up: the newest local level-0 file, verified, and whether the WAL still continues it (docs/engine.md, Positions and repair). */

import { readFully } from '../../base/bytes.ts';
import { LitestreamError } from '../../base/errors.ts';
import { decodeLTXFile } from '../../formats/ltx/file.ts';
import type { LTXHeader } from '../../formats/ltx/header.ts';
import { formatTXID } from '../../formats/ltx/txid.ts';
import { sameSalts, WAL_HEADER_SIZE } from '../../formats/wal/header.ts';
import { buildPageMap } from '../../formats/wal/page-map.ts';
import { openWALReader } from '../../formats/wal/reader.ts';
import { type Cursor, cursorEnd, cursorOf } from './cursor.ts';
import type { LocalFile } from './local-log.ts';
import { fileError } from './publish-fs.ts';
import type { WALFile } from './wal-file.ts';

/**
 * Reads and verifies a level-0 file whole. The cursor carries the WAL checksum of its last frame exactly when the WAL proves, frame by frame from its
 * start, that the captured range is unchanged and holds the pages of the file: only then may the next file be an increment.
 *
 * LTX_* when the file is damaged; other failures of reading it may pass and are DB_NOT_READY and the like.
 */
export function readCursor(file: LocalFile, wal: WALFile): Cursor {
  let range: CapturedRange | undefined;
  let proven = 0;
  let header: LTXHeader | undefined;
  try {
    ({ header } = decodeLTXFile(
      file.path,
      ({ count, pgnos, pages }) => {
        if (range === undefined || header === undefined) return;
        for (let i = 0; i < count; i++) {
          const offset = range.pages.get(pgnos[i] ?? 0);
          if (offset !== undefined && equalsFrame(wal, offset, pages.subarray(i * header.pageSize, (i + 1) * header.pageSize))) proven++;
        }
      },
      {
        onHeader: (found) => {
          header = found;
          range = readCapturedRange(cursorOf(found), wal);
        },
      },
    ));
  } catch (error) {
    throw fileError(error, `reading ${file.path}`);
  }
  if (header.maxTXID !== file.maxTXID) throw misnamed(file, header);
  const cursor = cursorOf(header);
  return range !== undefined && proven === range.pages.size ? { ...cursor, checksum: range.checksum } : cursor;
}

interface CapturedRange {
  readonly pages: ReadonlyMap<number, number>;
  readonly checksum: readonly [number, number] | undefined;
}

/** The frames that the file says it holds, verified from the start of the WAL; undefined when they are not there any more. */
function readCapturedRange(cursor: Cursor, wal: WALFile): CapturedRange | undefined {
  const end = cursorEnd(cursor);
  if (cursor.walOffset < WAL_HEADER_SIZE || end === WAL_HEADER_SIZE) return undefined;
  const header = wal.header();
  if (header === undefined || header.pageSize !== cursor.pageSize || !sameSalts(header, cursor)) return undefined;
  const start = openWALReader(wal.read, header);
  if (!start.ok) return undefined;
  const { reader } = start;
  while (reader.offset < cursor.walOffset) if (reader.next() === undefined) return undefined;
  if (reader.offset !== cursor.walOffset) return undefined;
  const map = buildPageMap(reader, { hardEnd: end });
  return map.end === end && map.commit === cursor.commit ? { pages: map.pages, checksum: wal.checksumAt(end, cursor.pageSize) } : undefined;
}

function equalsFrame(wal: WALFile, offset: number, page: Uint8Array): boolean {
  const frame = new Uint8Array(page.length);
  return readFully(wal.read, offset, frame) === page.length && Buffer.compare(frame, page) === 0;
}

function misnamed(file: LocalFile, header: LTXHeader): LitestreamError {
  return new LitestreamError(
    'LTX_INVALID',
    `reading ${file.path}: its header says ${formatTXID(header.minTXID)}-${formatTXID(header.maxTXID)}`,
  );
}
