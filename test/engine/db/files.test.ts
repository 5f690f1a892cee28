import { chmodSync, existsSync, statSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { LitestreamError } from '../../../src/base/errors.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { Capture } from '../../../src/engine/db/capture.ts';
import { LiveDatabase } from '../../../src/engine/db/live-database.ts';
import { LocalLog } from '../../../src/engine/db/local-log.ts';
import { nodePublishFS, stage } from '../../../src/engine/db/publish-fs.ts';
import { StagedWriter } from '../../../src/engine/db/staged-writer.ts';
import type { EngineEvent } from '../../../src/engine/events.ts';
import { readLTXFileHeader } from '../../../src/formats/ltx/file.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import type { App } from '../../support/app-process.ts';
import { Bench } from './bench.ts';

let bench: Bench;
let app: App;
beforeEach(async () => {
  ({ bench, app } = await Bench.make());
});
afterEach(() => bench.end());

const insert = (): Promise<void> => app.exec('INSERT INTO t (body) VALUES (randomblob(3000))');

test('H14: times in the files grow even when the clock goes back', async () => {
  let now = 1_000_000;
  const engine = bench.engine({}, { clock: { ...systemClock, now: () => now } });
  for (now of [1_000_000, 1_000_000, 5, 2_000_000]) {
    await insert();
    await engine.sync();
  }
  const times = bench.files.map((path) => readLTXFileHeader(path).timestamp);
  expect(times.every((time, i) => i === 0 || time > (times[i - 1] ?? 0))).toBe(true);
  expect(times.at(-1)).toBe(2_000_000);
  const { timestamp } = await engine.snapshot(bench.directory);
  expect(timestamp).toBe(2_000_000);
});

test('the header of each file is the cursor of the next', async () => {
  const engine = bench.engine();
  await insert();
  await engine.sync();
  await insert();
  await engine.sync();
  await engine.checkpoint('PASSIVE');
  await insert();
  await engine.sync();
  const headers = bench.files.slice(-3).map((path) => readLTXFileHeader(path));
  for (const header of headers) {
    expect(header).toMatchObject({ noChecksum: true, preApplyChecksum: 0n, nodeID: 0n, pageSize: 4096 });
    expect(header.minTXID).toBe(header.maxTXID);
    expect((header.walOffset - 32) % 4120).toBe(0);
    expect(header.walSize % 4120).toBe(0);
  }
  const [before, between, after] = headers;
  expect(between?.walOffset).toBe((before?.walOffset ?? 0) + (before?.walSize ?? 0));
  expect(after).toMatchObject({ walOffset: 32, walSalt1: (between?.walSalt1 ?? 0) + 1 });
});

test('files can be written in the form that every 0.5 reads (row 44)', async () => {
  const engine = bench.engine({ pageForm: 'frame' });
  for (let i = 0; i < 5; i++) {
    await insert();
    await engine.sync();
  }
  expect(await bench.replicaDigest(app)).toBe(await app.digest());
  const { path } = await engine.snapshot(bench.directory);
  expect(statSync(path).size).toBeGreaterThan(1000);
});

test('files have the mode of the database, directories that of its directory', async () => {
  chmodSync(bench.path, 0o640);
  chmodSync(bench.directory, 0o750);
  await bench.engine().sync();
  expect(statSync(bench.files[0] ?? '').mode & 0o777).toBe(0o640);
  expect(statSync(bench.logDirectory).mode & 0o777).toBe(0o750);
  expect(statSync(bench.metaPath).mode & 0o777).toBe(0o750);
});

test('one sync of a large WAL is split at commits, and every part is a committed state (row 27)', async () => {
  const engine = bench.engine({ maxSyncWALBytes: 30_000 });
  await engine.sync();
  const digests = new Set([await app.digest()]);
  for (let i = 0; i < 20; i++) {
    await app.exec('INSERT INTO t (body) VALUES (randomblob(9000))');
    digests.add(await app.digest());
  }
  await engine.sync();
  expect(bench.files.length).toBeGreaterThan(5);
  for (let count = 1; count <= bench.files.length; count++) expect(digests.has(await bench.replicaDigest(app, count))).toBe(true);
  expect(await bench.replicaDigest(app)).toBe(await app.digest());
});

test('a file appears under its name only when it is complete, and never over another one', () => {
  const path = `${bench.directory}/some.ltx`;
  const attributes = { mode: 0o600, uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const staged = new StagedWriter(nodePublishFS, path, attributes);
  staged.write(new Uint8Array([1, 2, 3]));
  expect(nodePublishFS.exists(path)).toBe(false);
  staged.publish();
  staged.discard();
  expect(statSync(path).size).toBe(3);
  expect(nodePublishFS.exists(`${path}.tmp`)).toBe(false);
  const second = new StagedWriter(nodePublishFS, path, attributes);
  second.write(new Uint8Array(9));
  expect(() => second.publish()).toThrow(expect.objectContaining({ code: 'SECOND_WRITER' }));
  second.discard();
  expect(statSync(path).size).toBe(3);
  expect(nodePublishFS.exists(`${path}.tmp`)).toBe(false);
});

test('a full disk is recognised at every stage, and other failures may pass', () => {
  const failing = (code: string) => () => {
    throw Object.assign(new Error(code), { code });
  };
  for (const name of ['mkdir', 'open', 'write', 'sync', 'close']) {
    for (const code of ['ENOSPC', 'EDQUOT']) {
      expect(() => stage(name, '/some/path', failing(code))).toThrow(
        expect.objectContaining({
          code: 'DISK_FULL',
          message: expect.stringContaining(`${name} /some/path`),
          details: { stage: name, systemCode: code },
        }),
      );
    }
  }
  expect(() => stage('open', '/x', failing('EACCES'))).toThrow(expect.objectContaining({ code: 'ACCESS_DENIED' }));
  expect(() => stage('open', '/x', failing('EMFILE'))).toThrow(expect.objectContaining({ code: 'DB_NOT_READY', disposition: 'retry' }));
  const own = new LitestreamError('INTERNAL', 'as it is');
  expect(() =>
    stage('open', '/x', () => {
      throw own;
    }),
  ).toThrow(own);
});

test('leftovers of interrupted writes are removed at the next start, and nothing else', async () => {
  const engine = bench.engine();
  await engine.sync();
  await engine.close();
  const leftover = `${bench.logDirectory}/0000000000000002-0000000000000002.ltx.tmp`;
  writeFileSync(leftover, 'half a file');
  writeFileSync(`${bench.metaPath}/other.tmp`, '');
  writeFileSync(`${bench.metaPath}/generation`, 'an old version left this');
  await bench.engine().sync();
  expect([leftover, `${bench.metaPath}/other.tmp`, `${bench.metaPath}/generation`].map((path) => existsSync(path))).toEqual([
    false,
    false,
    true,
  ]);
  expect(bench.files).toHaveLength(1);
});

test('H11: a read transaction that was lost is begun again, and the next file is a full one', async () => {
  const settings = bench.settings();
  const localLog = new LocalLog(settings.metaPath, nodePublishFS);
  const events: EngineEvent[] = [];
  const db = LiveDatabase.open(settings, { clock: systemClock });
  try {
    const capture = new Capture(
      db,
      settings,
      { clock: systemClock, log: silentLogger, fs: nodePublishFS, localLog, onEvent: (event) => events.push(event) },
      toTXID(0),
    );
    await capture.begin();
    await capture.pass();
    db.readLock.release();
    await app.checkpoint('TRUNCATE');
    await insert();
    await app.checkpoint('TRUNCATE');
    await insert();
    await capture.pass();
    expect(db.readLock.isHeld).toBe(true);
    expect(events).toMatchObject([{ fullReason: 'first file' }, { fullReason: 'the read transaction was lost' }]);
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
  } finally {
    expect(db.close()).toEqual([]);
  }
});

test('in the sealed state commits may restart the WAL once, and that is all that can happen', async () => {
  const settings = bench.settings();
  const localLog = new LocalLog(settings.metaPath, nodePublishFS);
  const events: EngineEvent[] = [];
  const deps = { clock: systemClock, log: silentLogger, fs: nodePublishFS, localLog, onEvent: (event: EngineEvent) => events.push(event) };
  const db = LiveDatabase.open(settings, { clock: systemClock });
  try {
    await app.exec('PRAGMA busy_timeout = 0');
    const capture = new Capture(db, settings, deps, toTXID(0));
    await capture.begin();
    await capture.passAll();
    await insert();
    // The second phase of a checkpoint, without the small commit at its end: an application may commit before it.
    expect(await db.barrier.raise(1000)).toBe(true);
    await capture.passAll();
    db.readLock.renew();
    expect(db.backfill()).toBe('done');
    db.readLock.renew();
    capture.seal();
    db.barrier.lower();
    for (let i = 0; i < 3; i++) {
      await insert();
      for (const mode of ['PASSIVE', 'FULL', 'RESTART', 'TRUNCATE']) {
        const row = await app.checkpoint(mode);
        expect(row.checkpointed, mode).toBeLessThan(row.log);
      }
    }
    expect(db.walState().backfilled).toBeLessThan(db.walState().frames);
    await capture.passAll();
    expect(events.filter((event) => event.type === 'synced' && event.fullReason !== undefined)).toHaveLength(1);
    expect(await bench.replicaDigest(app)).toBe(await app.digest());
  } finally {
    db.close();
  }
});
