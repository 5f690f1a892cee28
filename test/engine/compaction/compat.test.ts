/** Files that the original wrote, merged by us. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { compactLevel } from '../../../src/engine/compaction/compact-level.ts';
import { mergeSnapshot } from '../../../src/engine/compaction/merge-snapshot.ts';
import { listCatalogue } from '../../../src/engine/restore/catalogue.ts';
import { restorablePoints } from '../../../src/engine/restore/points.ts';
import { LocalLog } from '../../../src/engine/upload/local-log.ts';
import { NO_TXID, type TXID } from '../../../src/formats/ltx/txid.ts';
import type { Level } from '../../../src/replica/file-info.ts';
import { listLevel } from '../../../src/replica/list-level.ts';
import { runJobHere } from '../../../src/workers/job-kinds.ts';
import { unpackTarGz } from '../../support/tar.ts';
import { openFileReplica, restore, temporaryDirectory } from '../restore/setting.ts';

const ARCHIVE = fileURLToPath(new URL('../../fixtures/v5/vfs-0.5.17.tar.gz', import.meta.url));

test('every state of a replica of the original is the same after its levels were merged on, and the newest from the merged files alone', async () => {
  const directory = temporaryDirectory();
  unpackTarGz(ARCHIVE, directory);
  const replica = await openFileReplica(join(directory, 'replica'));
  const restored = async (txid: TXID) => {
    const output = join(mkdtempSync(join(directory, 'out-')), 'app.db');
    await restore(replica, { output, target: { type: 'txid', txid } });
    return readFileSync(output);
  };
  const points = restorablePoints(await listCatalogue(replica));
  const before = new Map<TXID, Buffer>();
  for (const { txid } of points) before.set(txid, await restored(txid));
  const newest = points.at(-1)?.txid ?? NO_TXID;
  const tools = {
    replica,
    local: new LocalLog(join(directory, 'none')),
    staging: { with: <T>(work: (path: string) => Promise<T>) => work(mkdtempSync(join(directory, 'stage-'))) },
    runJob: runJobHere,
    pageForm: 'block' as const,
    signal: new AbortController().signal,
    damaged: new Set<string>(),
    onMerged: () => {},
  };
  for (const level of [1, 2, 3, 4] as const) {
    const { end, hole } = await compactLevel(level, (await listLevel(replica, level)).at(-1), tools);
    expect({ end, hole }).toEqual({ end: newest, hole: undefined });
  }
  await mergeSnapshot(tools);
  for (const [txid, bytes] of before) expect((await restored(txid)).equals(bytes), `state ${txid}`).toBe(true);
  const wanted = before.get(newest);
  for (const removed of [0, 1, 2, 3, 4] as Level[]) {
    rmSync(join(directory, 'replica', 'ltx', String(removed)), { recursive: true, force: true });
    expect((await restored(newest)).equals(wanted ?? Buffer.alloc(0))).toBe(true);
  }
});
