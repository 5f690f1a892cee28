/** Level-9 files: the whole database at the captured position, written beside the running replication (docs/engine.md, Snapshots). */

import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { formatLTXName } from '../../formats/ltx/filename.ts';
import { toTXID } from '../../formats/ltx/txid.ts';
import { frameSize } from '../../formats/wal/frame.ts';
import { WAL_HEADER_SIZE } from '../../formats/wal/header.ts';
import type { StagedFile } from '../database-engine.ts';
import type { DatabaseSettings } from '../options.ts';
import { type Cursor, cursorEnd, headerOf } from './cursor.ts';
import type { FrozenView } from './frozen-view.ts';
import { writeLTXFile } from './ltx-writer.ts';
import { allPages } from './page-source.ts';
import type { FileAttributes, PublishFS } from './publish-fs.ts';

export interface SnapshotJob {
  readonly view: FrozenView;
  readonly directory: string;
  readonly fs: PublishFS;
  readonly clock: Clock;
  readonly attributes: FileAttributes;
  readonly pageForm: DatabaseSettings['pageForm'];
  readonly signal: AbortSignal;
}

/** Writes `<directory>/<1>-<position>.ltx`. The view stays the caller's. */
export async function writeSnapshot(job: SnapshotJob): Promise<StagedFile> {
  const { view, directory, fs, clock, attributes, pageForm, signal } = job;
  const { cursor, source } = view;
  const range = { minTXID: toTXID(1), maxTXID: cursor.txid };
  const path = join(directory, formatLTXName(range));
  fs.remove(path);
  const timestamp = Math.max(clock.now(), cursor.timestamp);
  const { size } = await writeLTXFile({
    fs,
    path,
    attributes,
    header: { ...headerOf(cursor), ...lastFrameRange(cursor), ...range, timestamp },
    encoding: { pageForm },
    source,
    runs: (maxRun) => allPages(cursor.commit, cursor.pageSize, maxRun),
    signal,
  });
  fs.syncDirectory(directory);
  return { path, ...range, size, timestamp };
}

/** Snapshots name their last captured frame only (docs/formats/ltx.md, Header). */
function lastFrameRange(cursor: Cursor): { readonly walOffset: number; readonly walSize: number } {
  const walOffset = Math.max(cursorEnd(cursor) - frameSize(cursor.pageSize), WAL_HEADER_SIZE);
  return { walOffset, walSize: cursorEnd(cursor) - walOffset };
}
