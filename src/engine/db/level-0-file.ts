/** Writes one level-0 file from a range of the WAL and says what cursor it stands for. */

import type { EncodedLTX } from '../../formats/ltx/encoder.ts';
import type { TXID } from '../../formats/ltx/txid.ts';
import type { WALHeader } from '../../formats/wal/header.ts';
import type { PageMap } from '../../formats/wal/page-map.ts';
import type { DatabaseSettings } from '../options.ts';
import { type Cursor, headerOf } from './cursor.ts';
import type { LiveDatabase } from './live-database.ts';
import type { LocalLog } from './local-log.ts';
import { writeLTXFile } from './ltx-writer.ts';
import { type PageRun, PageSource, type PageSourceOptions } from './page-source.ts';
import type { PublishFS } from './publish-fs.ts';
import type { WALFile } from './wal-file.ts';

export interface Level0Job {
  readonly db: LiveDatabase;
  readonly wal: WALFile;
  readonly header: WALHeader;
  readonly map: PageMap;
  readonly localLog: LocalLog;
  readonly fs: PublishFS;
  readonly txid: TXID;
  /** ms since the epoch. */
  readonly timestamp: number;
  readonly pageForm: DatabaseSettings['pageForm'];
  readonly runs: (maxRun: number) => Iterable<PageRun>;
  readonly beyondEnd: PageSourceOptions['beyondEnd'];
  /** See LTXEncoderOptions. */
  readonly required: { readonly after: number; readonly upTo: number };
}

/** The file is visible afterwards; its name is durable once the directory is synced. */
export async function writeLevel0(job: Level0Job): Promise<{ readonly cursor: Cursor; readonly encoded: EncodedLTX }> {
  const { db, wal, header, map, localLog, fs, txid } = job;
  const { pageSize } = header;
  const cursor: Cursor = {
    txid,
    timestamp: job.timestamp,
    pageSize,
    commit: map.commit,
    walOffset: map.start,
    walSize: map.end - map.start,
    salt1: header.salt1,
    salt2: header.salt2,
    checksum: wal.checksumAt(map.end, pageSize),
  };
  localLog.makeDirectory(db.directoryAttributes);
  const encoded = await writeLTXFile({
    fs,
    path: localLog.pathOf(txid),
    attributes: db.fileAttributes,
    header: { ...headerOf(cursor), minTXID: txid },
    encoding: { pageForm: job.pageForm, required: job.required },
    source: new PageSource({ pageSize, pages: map.pages, readWAL: wal.read, readDatabase: db.file.read, beyondEnd: job.beyondEnd }),
    runs: job.runs,
  });
  return { cursor, encoded };
}
