import { readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { compactLevel } from '../../../src/engine/compaction/compact-level.ts';
import type { MergeRequest } from '../../../src/engine/compaction/merge-job.ts';
import { mergeSnapshot } from '../../../src/engine/compaction/merge-snapshot.ts';
import { mergeInto } from '../../../src/engine/compaction/merge-step.ts';
import type { RunJob } from '../../../src/engine/jobs.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { type FileInfo, fileKey, type Level } from '../../../src/replica/file-info.ts';
import { pathLayout } from '../../../src/replica/layout.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import type { ObjectInfo, PutBody, PutOptions } from '../../../src/storage/object-store.ts';
import { WrappedStore } from '../../../src/storage/wrap/wrapped-store.ts';
import { runJob } from '../../../src/workers/job-host.ts';
import { until } from '../../support/fake-clock.ts';
import { Random, randomFrom } from '../../support/random.ts';
import { info } from '../restore/listing.ts';
import { encode, NaiveDatabase } from '../restore/ltx-files.ts';
import { Scene, timeOf } from './setting.ts';

const seed = Date.now() % 2 ** 31;
console.log(`seed ${seed}`);

function naive(transactions: number, pageSize = 512): NaiveDatabase {
  const database = new NaiveDatabase(pageSize, randomFrom(seed));
  for (let at = 0; at < transactions; at++) database.step(12);
  return database;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);

async function scene(transactions: number, { local = 0, resumable = false } = {}): Promise<{ scene: Scene; database: NaiveDatabase }> {
  const made = new Scene({ resumable });
  const database = naive(transactions);
  for (const txid of range(1, transactions)) await made.put(database, 0, txid);
  for (const txid of range(transactions - local + 1, transactions)) made.putLocal(database, txid);
  return { scene: made, database };
}

const unavailable = () => new LitestreamError('STORAGE_UNAVAILABLE', 'the test has cut the line');

describe('a level is brought up to date', () => {
  test('every state at which a file ends is restored as it was, after each merge and without the lower files', async () => {
    const { scene: at, database } = await scene(0);
    const random = new Random(seed);
    let txid = 0;
    for (let round = 0; round < 12; round++) {
      const upTo = txid + random.between(1, 6);
      for (; txid < upTo; txid++) {
        database.step(12);
        await at.put(database, 0, txid + 1);
        if (random.chance(0.5)) at.putLocal(database, txid + 1);
      }
      const { end } = await at.compact(1);
      expect(end).toBe(BigInt(txid));
      if (random.chance(0.5)) await at.compact(2);
      if (random.chance(0.3)) await mergeSnapshot(at.tools());
    }
    for (const file of await at.all()) await at.expectStates(database, [Number(file.maxTXID)]);
    await at.replica.delete((await at.list(0)).slice(0, -1));
    for (const file of await at.list(1)) await at.expectStates(database, [Number(file.maxTXID)]);
    at.expectClean();
  });

  test('the time of a merged file is that of its last input, at the replica and in its header (row 45)', async () => {
    const { scene: at } = await scene(4);
    await at.compact(1);
    expect((await at.list(1)).map(({ createdAt }) => createdAt)).toEqual([timeOf(4)]);
  });

  test('in a thread of its own', async () => {
    const { scene: at, database } = await scene(5, { local: 2 });
    at.runJob = runJob;
    await at.compact(1);
    expect(await at.ranges(1)).toBe('1-5');
    await at.remove(0, 3);
    await at.expectStates(database, [5]);
  });

  test('what an up-to-date level covers is not merged again', async () => {
    const { scene: at } = await scene(4);
    await at.compact(1);
    const puts = at.store.count('put');
    expect(await at.compact(1)).toEqual({ end: 4n, pageSizeChanged: false, isPartial: false });
    expect(at.store.count('put')).toBe(puts);
  });

  test('a backlog of years is merged in several passes', async () => {
    const { scene: at } = await scene(0);
    const files = Array.from({ length: 16 * 256 + 3 }, (_, index) => info(0, index + 1, index + 1));
    const made: FileInfo[] = [];
    const replica = Object.assign(Object.create(at.replica) as Replica, {
      list: async function* (level: Level) {
        if (level === 0) yield* files.filter(({ minTXID }) => minTXID > (made.at(-1)?.maxTXID ?? 0n));
      } as Replica['list'],
      localPath: () => '/unused',
      write: (async (level, minTXID, maxTXID) => {
        made.push({ level, minTXID, maxTXID, size: 100, createdAt: 0 });
        return made.at(-1);
      }) as Replica['write'],
    });
    const runJob = (async (_kind: 'merge', { inputs }: MergeRequest) => ({
      merged: inputs.length,
      minTXID: inputs[0]?.minTXID,
      maxTXID: inputs.at(-1)?.maxTXID,
    })) as unknown as RunJob;
    const tools = { ...at.tools(), replica, runJob };
    expect(await compactLevel(1, undefined, tools)).toEqual({ end: 4096n, isPartial: true, pageSizeChanged: false });
    expect(made).toHaveLength(16);
    expect(await compactLevel(1, made.at(-1), tools)).toEqual({ end: 4099n, isPartial: false, pageSizeChanged: false });
  });

  test('a source that straddles the end of the level is part of the next file', async () => {
    const { scene: at, database } = await scene(9);
    await at.put(database, 1, 1, 3);
    await at.put(database, 1, 4, 7);
    await at.put(database, 1, 8, 9);
    await at.put(database, 2, 1, 5);
    await at.compact(2);
    expect(await at.ranges(2)).toBe('1-5 4-9');
    await at.removeLevels(0, 1);
    await at.expectStates(database, [5, 9]);
  });

  test('a merge across a change of page size ends at it, and a snapshot holds the new pages alone', async () => {
    const { scene: at } = await scene(3);
    const after = naive(5, 1024);
    const full = { commit: after.file(4).length / 1024, pages: after.states[4]?.pages ?? new Map() };
    await at.replica.write(0, toTXID(4), toTXID(4), bytesBody(encode(1024, 4, 4, full, timeOf(4))), { createdAt: timeOf(4) });
    await at.put(after, 0, 5);
    expect(await at.compact(1)).toEqual({ end: 5n, pageSizeChanged: true, isPartial: false });
    expect(await at.ranges(1)).toBe('1-3 4-5');
    const made = await mergeSnapshot(at.tools());
    expect(made?.pageSize).toBe(1024);
    expect(await at.ranges(9)).toBe('1-5');
    await at.removeLevels(0, 1);
    await at.expectStates(after, [5]);
  });
});

describe('sources', () => {
  test('are read in place from the local log where they are the same files', async () => {
    const { scene: at } = await scene(6, { local: 3 });
    at.store.calls.length = 0;
    await at.compact(1);
    const opened = at.store.calls.filter(({ verb }) => verb === 'open');
    expect(opened.filter(({ offset }) => offset === undefined)).toHaveLength(3);
    expect(opened.filter(({ offset }) => offset !== undefined)).toHaveLength(3);
    at.expectClean();
  });

  test('are not taken from a local log of another history, even with files of the same size', async () => {
    const { scene: at, database } = await scene(4);
    const path = at.putLocal(database, 3);
    const other = readFileSync(path);
    other.writeUInt8(other.readUInt8(other.length - 1) ^ 1, other.length - 1);
    writeFileSync(path, other);
    await at.compact(1);
    await at.removeLevels(0);
    await at.expectStates(database, [4]);
  });

  test('are downloaded where the local copy is damaged', async () => {
    const { scene: at, database } = await scene(4);
    const path = at.putLocal(database, 3);
    const broken = readFileSync(path);
    broken.writeUInt8(broken.readUInt8(120) ^ 1, 120);
    writeFileSync(path, broken);
    await at.compact(1);
    await at.removeLevels(0);
    await at.expectStates(database, [4]);
  });

  test('are downloaded where the local log is moved away meanwhile', async () => {
    const { scene: at, database } = await scene(6, { local: 3 });
    const run = at.runJob;
    at.runJob = (kind, args, options) => {
      rmSync(at.local.directory, { recursive: true, force: true });
      return run(kind, args, options);
    };
    await at.compact(1);
    expect(await at.ranges(1)).toBe('1-6');
    await at.expectStates(database, [6]);
    at.expectClean();
  });

  test('that are cut midway are read on from there (row 71)', async () => {
    const { scene: at, database } = await scene(6, { resumable: true });
    for (const [index, key] of ['2-', '5-'].entries()) {
      at.store.script({ on: 'open', key, times: 2, fault: { type: 'broken', after: 50 + index, ending: unavailable() } });
    }
    await at.compact(1);
    await at.removeLevels(0);
    await at.expectStates(database, [6]);
    at.expectClean();
  });

  test('that end before their listed size fail the merge, and nothing is left of it', async () => {
    const { scene: at } = await scene(6);
    at.store.script({ on: 'open', key: '0000000000000004-', fault: { type: 'broken', after: 60, ending: 'end' } });
    await expect(at.compact(1)).rejects.toMatchObject({ code: 'READ_TRUNCATED' });
    expect(await at.ranges(1)).toBe('');
    at.expectClean();
  });

  test('that are listed and not served yet leave the level as it is until they are (row 69)', async () => {
    const { scene: at, database } = await scene(6, { local: 2 });
    const gone = new LitestreamError('OBJECT_NOT_FOUND', 'not yet');
    at.store.script({ on: 'open', key: '0000000000000006-', fault: { type: 'error', error: gone } });
    await expect(at.compact(1)).rejects.toMatchObject({ code: 'OBJECT_NOT_FOUND' });
    expect(await at.ranges(1)).toBe('');
    await at.compact(1);
    expect(await at.ranges(1)).toBe('1-6');
    await at.expectStates(database, [6]);
    at.expectClean();
  });

  test('that are damaged are named, and what lies before them stays unmerged rather than wrong', async () => {
    const { scene: at } = await scene(6);
    const [file] = (await at.list(0)).filter(({ maxTXID }) => maxTXID === 4n);
    if (file === undefined) throw new Error('there is no file');
    const bytes = Buffer.from(await at.replica.read(file));
    // The file's checksum: another bit of a compressed page may stand for the same page.
    const end = bytes.length - 1;
    bytes.writeUInt8(bytes.readUInt8(end) ^ 1, end);
    await at.store.put(at.replica.key(0, file), bytesBody(bytes), { createdAt: file.createdAt });
    const done = await at.compact(1);
    expect(done.damage?.file).toEqual(file);
    expect(await at.ranges(1)).toBe('');
    at.damaged.add(fileKey(file));
    expect((await at.compact(1)).hole).toEqual({ minTXID: 4n, maxTXID: 4n });
    expect(await at.ranges(1)).toBe('1-3');
    at.expectClean();
  });
});

/** Takes so many bytes of each put and fails then. */
class TornStore extends WrappedStore {
  bytes = 0;

  override async put(_key: string, body: PutBody, { signal }: PutOptions = {}): Promise<ObjectInfo> {
    let taken = 0;
    for await (const chunk of body.open()) {
      signal?.throwIfAborted();
      taken += chunk.byteLength;
      if (taken >= this.bytes) throw unavailable();
    }
    throw unavailable();
  }
}

const openFiles = (directory: string): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`);
      return path.startsWith(directory) ? [path] : [];
    } catch {
      return [];
    }
  });

describe('the upload of a merged file', () => {
  test('that fails at any byte leaves no blocked merge and no file behind (row 70)', async () => {
    const { scene: at } = await scene(8);
    const torn = new TornStore(at.store);
    const random = new Random(seed);
    const files = await at.list(0);
    for (let run = 0; run < 20; run++) {
      torn.bytes = random.between(0, 20_000);
      const tools = { ...at.tools(), replica: new Replica(torn, pathLayout) };
      await expect(mergeInto(1, files, tools)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
      at.expectClean();
      await expect.poll(() => openFiles(at.directory), { interval: 1 }).toEqual([]);
    }
    await at.compact(1);
    expect(await at.ranges(1)).toBe('1-8');
  });

  test('whose answer is lost is found to have succeeded', async () => {
    const { scene: at, database } = await scene(5);
    at.store.script({ on: 'put', fault: { type: 'lost-answer', error: unavailable() } });
    await expect(at.compact(1)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    await compactLevel(1, undefined, at.tools());
    expect(await at.ranges(1)).toBe('1-5');
    await at.expectStates(database, [5]);
  });

  test('is not begun when the merge is cancelled, and ends when it is cancelled during it', async () => {
    const { scene: at } = await scene(5);
    const enough = new Error('enough');
    await expect(compactLevel(1, undefined, at.tools(AbortSignal.abort(enough)))).rejects.toBe(enough);
    const puts = at.store.count('put');
    const abort = new AbortController();
    at.store.script({ on: 'put', fault: { type: 'hang' } });
    const compacting = compactLevel(1, undefined, at.tools(abort.signal));
    const reason = new Error('stopped by the test');
    compacting.catch(() => {});
    await until(() => at.store.count('put') > puts, 'the upload has begun');
    abort.abort(reason);
    await expect(compacting).rejects.toBe(reason);
    expect(await at.ranges(1)).toBe('');
    at.expectClean();
  });
});

describe('a hole in level 0 (row 76)', () => {
  test('is filled from the local log while that has the files', async () => {
    const { scene: at, database } = await scene(8, { local: 5 });
    // An increment must follow the hole: only that proves the local files to be the lost ones.
    const full = database.changes[6]?.pages.size === database.states[6]?.commit;
    await at.remove(0, 5);
    const done = await at.compact(1);
    if (full) expect(done.hole).toEqual({ minTXID: 5n, maxTXID: 5n });
    else {
      expect(done).toEqual({ end: 8n, pageSizeChanged: false, isPartial: false });
      expect(await at.ranges(0)).toBe('1-1 2-2 3-3 4-4 5-5 6-6 7-7 8-8');
      await at.expectStates(database, range(1, 8));
    }
  });

  test('is not filled from another history', async () => {
    const { scene: at, database } = await scene(8);
    const other = new NaiveDatabase(512, randomFrom(seed + 1));
    for (let count = 0; count < 8; count++) other.step(12);
    for (const txid of range(4, 8)) at.putLocal(other, txid);
    await at.remove(0, 5);
    expect((await at.compact(1)).hole).toEqual({ minTXID: 5n, maxTXID: 5n });
    expect(await at.ranges(0)).toBe('1-1 2-2 3-3 4-4 6-6 7-7 8-8');
    await at.expectStates(database, [4]);
  });

  test('ends the level before it; a snapshot closes it, and the level goes on behind it', async () => {
    const { scene: at, database } = await scene(8);
    await at.remove(0, 5);
    await at.remove(0, 6);
    expect(await at.compact(1)).toEqual({ end: 4n, hole: { minTXID: 5n, maxTXID: 6n }, pageSizeChanged: false, isPartial: false });
    await at.put(database, 9, 1, 8);
    database.step(12);
    await at.put(database, 0, 9);
    expect(await at.compact(1)).toEqual({ end: 9n, pageSizeChanged: false, isPartial: false });
    expect(await at.ranges(1)).toBe('1-4 7-9');
    await at.removeLevels(0);
    await at.expectStates(database, [4, 8, 9]);
    expect(await at.compact(2)).toEqual({ end: 9n, pageSizeChanged: false, isPartial: false });
    expect(await at.ranges(2)).toBe('1-4 7-9');
  });

  test('in a higher level is filled from the levels below it', async () => {
    const { scene: at, database } = await scene(9);
    await at.put(database, 1, 1, 3);
    await at.put(database, 1, 7, 9);
    await at.compact(2);
    expect(await at.ranges(2)).toBe('1-9');
    await at.removeLevels(0, 1);
    await at.expectStates(database, [9]);
  });
});

describe('a snapshot from the chain of the replica', () => {
  test('holds the newest restorable state, and is not made twice', async () => {
    const { scene: at, database } = await scene(7);
    await at.put(database, 9, 1, 2);
    await at.put(database, 1, 3, 5);
    expect((await mergeSnapshot(at.tools()))?.file).toMatchObject({ level: 9, minTXID: 1n, maxTXID: 7n, createdAt: timeOf(7) });
    expect(await mergeSnapshot(at.tools())).toBeUndefined();
    await at.removeLevels(0, 1);
    await at.remove(9, 1, 2);
    await at.expectStates(database, [7]);
    at.expectClean();
  });

  test('of more files than are open at a time is made in parts', async () => {
    const { scene: at, database } = await scene(300);
    await mergeSnapshot(at.tools());
    await at.removeLevels(0);
    await at.expectStates(database, [300]);
    at.expectClean();
  });

  test('is refused behind a hole: only the database itself can close it', async () => {
    const { scene: at } = await scene(7);
    await at.remove(0, 5);
    await expect(mergeSnapshot(at.tools())).rejects.toMatchObject({ code: 'LTX_GAP' });
    expect(await at.ranges(9)).toBe('');
  });
});

describe('files that cannot be read here', () => {
  const readable = (from: bigint) => ({ isReadable: ({ level, minTXID }: FileInfo) => level > 0 || minTXID >= from });

  test('count as absent: what lies behind them waits for a snapshot, and goes on once there is one', async () => {
    const { scene: at, database } = await scene(8, { local: 4 });
    const tools = { ...at.tools(), ...readable(5n) };
    expect(await compactLevel(1, undefined, tools)).toMatchObject({ end: 0n, hole: { minTXID: 1n, maxTXID: 4n } });
    expect(await at.list(1)).toEqual([]);
    await at.put(database, 9, 1, 4);
    expect(await compactLevel(1, undefined, tools)).toMatchObject({ end: 8n });
    expect(await at.ranges(1)).toBe('5-8');
    await at.expectStates(database, [4, 8]);
  });
});
