/** A replica of a random database in a scripted store, with a local log and a staging directory, ready to be merged. */

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type Compacted, type CompactTools, compactLevel } from '../../../src/engine/compaction/compact-level.ts';
import type { Merged } from '../../../src/engine/compaction/merge-step.ts';
import type { RunJob } from '../../../src/engine/jobs.ts';
import { listCatalogue } from '../../../src/engine/restore/catalogue.ts';
import { LocalLog } from '../../../src/engine/upload/local-log.ts';
import { formatLTXName } from '../../../src/formats/ltx/filename.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import type { FileInfo, Level } from '../../../src/replica/file-info.ts';
import { pathLayout } from '../../../src/replica/layout.ts';
import { listLevel } from '../../../src/replica/list-level.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import { ResumableReadStore } from '../../../src/storage/wrap/resumable-read.ts';
import { runJobHere } from '../../../src/workers/job-kinds.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { encode, type NaiveDatabase } from '../restore/ltx-files.ts';
import { restore, temporaryDirectory } from '../restore/setting.ts';

export const timeOf = (txid: number): number => 1_700_000_000_000 + txid * 1000;

export class Scene {
  readonly store = new FaultStore(new MemoryStore());
  readonly replica: Replica;
  readonly directory = temporaryDirectory();
  readonly local: LocalLog;
  readonly merged: Merged[] = [];
  readonly damaged = new Set<string>();
  runJob: RunJob = (kind, args, options) => runJobHere(kind, args, options);

  constructor({ resumable = false } = {}) {
    const settings = { attempts: 3, initialMs: 1, capMs: 1, stallMs: 60_000 };
    this.replica = new Replica(resumable ? new ResumableReadStore(this.store, { settings }) : this.store, pathLayout);
    this.local = new LocalLog(join(this.directory, 'ltx', '0'));
    mkdirSync(this.local.directory, { recursive: true });
  }

  tools(signal: AbortSignal = new AbortController().signal): CompactTools {
    return {
      replica: this.replica,
      local: this.local,
      staging: { with: (work) => this.#stage(work) },
      runJob: this.runJob,
      pageForm: 'block',
      signal,
      damaged: this.damaged,
      onMerged: (merged) => void this.merged.push(merged),
    };
  }

  /** Puts a file of `database` there. */
  async put(database: NaiveDatabase, level: Level, min: number, max = min): Promise<FileInfo> {
    const bytes = encode(database.pageSize, min, max, database.range(min, max), timeOf(max));
    return this.replica.write(level, toTXID(min), toTXID(max), bytesBody(bytes), { createdAt: timeOf(max) });
  }

  putLocal(database: NaiveDatabase, txid: number): string {
    const bytes = encode(database.pageSize, txid, txid, database.range(txid, txid), timeOf(txid));
    const path = join(this.local.directory, formatLTXName({ minTXID: toTXID(txid), maxTXID: toTXID(txid) }));
    writeFileSync(path, bytes);
    return path;
  }

  async compact(level: Level): Promise<Compacted> {
    const newest = (await this.list(level)).at(-1);
    return compactLevel(level, newest, this.tools());
  }

  list(level: Level): Promise<FileInfo[]> {
    return listLevel(this.replica, level);
  }

  async ranges(level: Level): Promise<string> {
    return (await this.list(level)).map(({ minTXID, maxTXID }) => `${minTXID}-${maxTXID}`).join(' ');
  }

  all(): Promise<FileInfo[]> {
    return listCatalogue(this.replica);
  }

  async remove(level: Level, min: number, max = min): Promise<void> {
    await this.replica.delete([{ level, minTXID: toTXID(min), maxTXID: toTXID(max), size: 0, createdAt: 0 }]);
  }

  /** Of these levels nothing is left: what is restored comes from the others. */
  async removeLevels(...levels: readonly Level[]): Promise<void> {
    for (const level of levels) await this.replica.delete(await this.list(level));
  }

  /** The database as restored at `txid`. */
  async restored(txid: number): Promise<Buffer> {
    const output = join(mkdtempSync(join(this.directory, 'restored-')), 'app.db');
    await restore(this.replica, { output, target: { type: 'txid', txid: toTXID(txid) } });
    return readFileSync(output);
  }

  async expectStates(database: NaiveDatabase, txids: Iterable<number>): Promise<void> {
    for (const txid of txids) expect((await this.restored(txid)).equals(database.file(txid)), `state ${txid}`).toBe(true);
  }

  /** Nothing is left of a merge: no staged file, no open object, no descriptor into the directory. */
  expectClean(): void {
    expect(readdirSync(this.directory).filter((name) => name.startsWith('stage-'))).toEqual([]);
    expect(this.store.openCount).toBe(0);
  }

  async #stage<T>(work: (directory: string) => Promise<T>): Promise<T> {
    const directory = mkdtempSync(join(this.directory, 'stage-'));
    try {
      return await work(directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}
