/** Writes the first full file of a database, next to reading and writing the same bytes. */

import { statSync } from 'node:fs';
import { answerOf } from './child-answer.ts';
import { readWriteSync } from './copy.ts';
import { load } from './proc.ts';
import { digits, MIB, median, megabytesPerSecond, type Report } from './report.ts';
import { fillDatabase } from './sample-pages.ts';
import { Scene, settleDisk } from './scene.ts';
import type { SnapshotFacts } from './snapshot-child.ts';

export const name = 'snapshot';
export const description = 'the first full file of a 256 MiB database, next to reading and writing its bytes';

const BYTES = Number(process.env.BENCH_SNAPSHOT_MIB ?? 256) * MIB;
const ROUNDS = Number(process.env.BENCH_ROUNDS ?? 5);

export function run(): Promise<Report> {
  return Scene.with(name, async (scene) => {
    const source = scene.path('source.db');
    fillDatabase(source, BYTES, 4096);
    const bytes = statSync(source).size;
    const snapshots: SnapshotFacts[] = [];
    const copies: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const [copy, meta] = [scene.path(`copy-${round}.db`), scene.path('meta')];
      settleDisk();
      copies.push(readWriteSync(source, copy));
      settleDisk();
      // The copy has the same pages, and no SQLite of this process has ever opened it.
      snapshots.push(await answerOf<SnapshotFacts>(scene, './snapshot-child.ts', [copy, meta]));
      for (const path of [meta, copy, `${copy}-wal`, `${copy}-shm`]) scene.remove(path);
    }
    const ratios = snapshots.map(({ durationMs }, round) => durationMs / (copies[round] ?? Number.NaN));
    const speed = (ms: readonly number[]): string =>
      `${digits(megabytesPerSecond(bytes, median(ms)))} MB/s (best ${digits(megabytesPerSecond(bytes, Math.min(...ms)))})`;
    const lines = [
      `first full file       ${speed(snapshots.map(({ durationMs }) => durationMs))}, from opening the database until it is published`,
      `read + write + fsync  ${speed(copies)}; the full file takes ${digits(median(ratios))} times as long`,
      `peak RSS              ${digits(Math.max(...snapshots.map((facts) => facts.peakResidentBytes)) / MIB)} MiB`,
      `${ROUNDS} interleaved pairs, medians; ${load()}`,
    ];
    return { lines, missed: [] };
  });
}
