/** A WAL of eight gigabytes, in a sparse file: sizes and offsets stay exact. */

import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { chooseCheckpoint } from '../../../src/engine/db/checkpoint-policy.ts';
import { type Cursor, cursorEnd } from '../../../src/engine/db/cursor.ts';
import { decide } from '../../../src/engine/db/decide.ts';
import { WALFile } from '../../../src/engine/db/wal-file.ts';
import { decodeHeader, encodeHeader, makeHeader } from '../../../src/formats/ltx/header.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { tempDirectory } from '../../support/temp-directory.ts';
import { WALBuilder } from '../../support/wal-builder.ts';

const PAGE = 65_536;
/** The default of the emergency brake. */
const FRAMES = 121_359;
const FRAME = PAGE + 24;

/** A WAL whose last two frames are numbers `FRAMES` and `FRAMES` + 1; what lies before is a hole. */
function sparseWAL(path: string, builder: WALBuilder): void {
  const fd = openSync(path, 'wx');
  const first = builder.frame(1, Buffer.alloc(PAGE, 1), 2);
  builder.frame(2, Buffer.alloc(PAGE, 2), 2);
  writeSync(fd, builder.bytes, 0, 32, 0);
  writeSync(fd, builder.bytes, first, 2 * FRAME, 32 + (FRAMES - 1) * FRAME);
  closeSync(fd);
}

test('thresholds, offsets and ranges are exact with 121,359 frames of the largest pages (row 31)', async () => {
  const directory = await tempDirectory();
  onTestFinished(() => directory.remove());
  const path = join(directory.path, 'app.db-wal');
  sparseWAL(path, new WALBuilder({ pageSize: PAGE }));
  const end = Number(32n + BigInt(FRAMES) * BigInt(FRAME));
  expect(end).toBeGreaterThan(2 ** 32);

  const wal = new WALFile(path);
  onTestFinished(() => wal.close());
  const view = wal.observe(() => ({ frames: FRAMES + 1, backfilled: 0 }), undefined);
  expect(view).toMatchObject({ frames: FRAMES + 1, end: end + FRAME, fileSize: end + FRAME, inFlight: false });
  const { header } = view;
  if (header === undefined) throw new Error('there is a header');

  // The newest file ends at the threshold; the header of the next one says where.
  const { salt1, salt2 } = header;
  const range = { walOffset: 32, walSize: end - 32 };
  const cursor: Cursor = { txid: toTXID(1), timestamp: 1, pageSize: PAGE, commit: 2, ...range, salt1, salt2, checksum: undefined };
  expect(cursorEnd(cursor)).toBe(end);
  const decision = decide({ cursor, demanded: undefined, startup: false, sealed: false, pageSize: PAGE, wal: view, lastFrame: 'intact' });
  expect(decision).toEqual({ kind: 'incremental', from: end });
  const map = wal.scan(header, end, { hardEnd: view.end });
  expect(map).toMatchObject({ end: end + FRAME, transactions: 1, commit: 2 });
  expect([...(map?.pages ?? [])]).toEqual([[2, end + 24]]);
  const ltx = makeHeader({ pageSize: PAGE, commit: 2, minTXID: toTXID(2), maxTXID: toTXID(2), timestamp: 2, walOffset: end, walSize: end });
  expect(decodeHeader(encodeHeader(ltx))).toMatchObject({ walOffset: end, walSize: end });

  const settings = { checkpointIntervalMs: 0, minCheckpointPages: 5000, truncatePages: FRAMES };
  const at = (frames: number) => chooseCheckpoint(settings, { frames, framesThen: 0, elapsedMs: 0, backOffMs: 0 });
  expect([at(4999), at(FRAMES - 1), at(FRAMES), at(2 ** 32)]).toEqual([undefined, 'PASSIVE', 'TRUNCATE', 'TRUNCATE']);
});
