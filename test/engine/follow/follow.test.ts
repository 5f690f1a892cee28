import { existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { followReplica } from '../../../src/engine/follow/follow.ts';
import { constantPage, encode, header } from '../../support/ltx-files.ts';
import { Primary } from './primary.ts';
import { look, Scene } from './scene.ts';

let scene: Scene;
afterEach(() => scene.end());

const cursor = () => readFileSync(`${scene.copy}-txid`, 'utf8');

test('a copy is made, and each round brings it to the newest state, page by page', async () => {
  scene = new Scene(1);
  for (let i = 0; i < 5; i++) scene.primary.step();
  const begun = await scene.begin();
  const app = await scene.reader();
  await scene.expectState(app, 5);
  expect(cursor()).toBe('0000000000000005\n');
  for (let i = 0; i < 30; i++) {
    for (let more = scene.primary.random.between(1, 4); more > 0; more--) scene.primary.step();
    await scene.catchUp(begun);
    await scene.expectState(app);
    expect(await look(app)).toEqual({ n: scene.primary.txid, ok: true, check: 'ok' });
  }
  expect(cursor()).toBe(`${scene.primary.txid.toString(16).padStart(16, '0')}\n`);
  const left = readdirSync(join(scene.directory, '.copy.db-follow-litestream'));
  expect(left.filter((name) => !name.startsWith('owner.'))).toEqual(['state.json']);
  expect(existsSync(`${scene.copy}-journal`)).toBe(false);
});

test('a quiet round costs one listing of level 0 and nothing else', async () => {
  scene = new Scene(2);
  for (let i = 0; i < 3; i++) scene.primary.step();
  const begun = await scene.begin();
  scene.primary.step();
  await scene.catchUp(begun);
  scene.store.calls.length = 0;
  for (let i = 0; i < 5; i++) expect(await begun.follower.round()).toBe(false);
  expect(scene.store.calls).toEqual(Array(5).fill({ verb: 'list', key: 'ltx/0/' }));
  expect(scene.notes.filter(({ type }) => type === 'current')).toHaveLength(1);
});

test('several increments are applied as one change, the newest page of each number once', async () => {
  scene = new Scene(3);
  scene.primary.step();
  const begun = await scene.begin();
  for (let i = 0; i < 40; i++) scene.primary.step();
  await scene.catchUp(begun);
  expect(scene.kinds()).toEqual(['restored', 'applied', 'current']);
  await scene.expectState(await scene.reader());
});

test('a reader that keeps its connection sees the new state, although its cache is warm and page 1 was not in the file', async () => {
  scene = new Scene(4);
  scene.primary.step();
  const begun = await scene.begin();
  const app = await scene.reader();
  for (let i = 0; i < 20; i++) {
    expect((await look(app)).n).toBe(scene.primary.txid);
    scene.primary.step(1);
    await scene.catchUp(begun);
  }
  expect((await look(app)).n).toBe(21);
});

test('a gap in level 0 is bridged by higher levels', async () => {
  scene = new Scene(5);
  for (let i = 0; i < 3; i++) scene.primary.step();
  const begun = await scene.begin();
  await scene.catchUp(begun);
  for (let i = 0; i < 9; i++) scene.primary.step();
  scene.primary.merge(1, 4, 6);
  scene.primary.merge(2, 7, 10);
  for (let txid = 3; txid <= 10; txid++) scene.primary.remove(0, txid, txid);
  scene.primary.merge(1, 1, 3);
  await scene.catchUp(begun);
  expect(begun.follower.txid).toBe(12n);
  expect(scene.kinds().filter((kind) => kind !== 'current')).toEqual(['restored', 'applied']);
  await scene.expectState(await scene.reader());
});

test('#1515: history that was pruned is replaced by a new base, in place, for readers that stay connected (row 65)', async () => {
  scene = new Scene(6);
  for (let i = 0; i < 30; i++) scene.primary.step();
  const begun = await scene.begin();
  const app = await scene.reader();
  await look(app);
  await scene.catchUp(begun);
  for (let i = 0; i < 12; i++) scene.primary.step();
  scene.primary.merge(9, 1, 40);
  for (let txid = 1; txid <= 40; txid++) scene.primary.remove(0, txid, txid);
  await scene.catchUp(begun);
  expect(scene.notes.find(({ type }) => type === 'rebased')).toMatchObject({ from: 30n, txid: 42n, reason: 'unproven' });
  expect(await look(app)).toEqual({ n: 42, ok: true, check: 'ok' });
  await scene.expectState(app);
});

test('#1385: a follower that is ahead of the newest snapshot resumes without a new base (row 65)', async () => {
  scene = new Scene(7);
  for (let i = 0; i < 6; i++) scene.primary.step();
  scene.primary.merge(9, 1, 4);
  let begun = await scene.begin();
  await scene.catchUp(begun);
  scene.close(begun);
  for (let i = 0; i < 6; i++) scene.primary.step();
  begun = await scene.begin();
  await scene.catchUp(begun);
  expect(scene.kinds()).toEqual(['restored', 'current', 'resumed', 'applied', 'current']);
  await scene.expectState(await scene.reader());
});

test('resuming where level 0 has gone goes on through higher levels, when an older file still proves the history', async () => {
  scene = new Scene(8);
  for (let i = 0; i < 6; i++) scene.primary.step();
  scene.primary.merge(9, 1, 4);
  let begun = await scene.begin();
  await scene.catchUp(begun);
  scene.close(begun);
  for (let i = 0; i < 6; i++) scene.primary.step();
  scene.primary.merge(1, 4, 9);
  for (let txid = 1; txid <= 9; txid++) scene.primary.remove(0, txid, txid);
  begun = await scene.begin();
  await scene.catchUp(begun);
  expect(scene.kinds()).toEqual(['restored', 'current', 'resumed', 'applied', 'current']);
  await scene.expectState(await scene.reader());
});

test('the primary was restored to an older state: the copy goes back with it and loses the pages that are gone', async () => {
  scene = new Scene(9);
  for (let i = 0; i < 15; i++) scene.primary.step(20);
  const begun = await scene.begin();
  const app = await scene.reader();
  await look(app);
  scene.primary.goBack(3);
  await scene.catchUp(begun);
  expect((await look(app)).n).toBe(3);
  await scene.expectState(app, 16);
  scene.primary.step();
  await scene.catchUp(begun);
  await scene.expectState(app);
});

test('another page size is taken over by a new base, in place', async () => {
  scene = new Scene(10);
  for (let i = 0; i < 12; i++) scene.primary.step(10);
  const begun = await scene.begin();
  const app = await scene.reader();
  await look(app);
  for (const pageSize of [4096, 512]) {
    scene.primary.changePageSize(pageSize);
    await scene.catchUp(begun);
    expect(scene.notes.at(-2)).toMatchObject({ type: 'rebased', reason: 'page-size' });
    expect(await look(app)).toEqual({ n: 12, ok: true, check: 'ok' });
    await scene.expectState(app);
  }
});

test('a replica that was begun anew does not touch the copy, which may be the only one of the older history', async () => {
  scene = new Scene(11);
  for (let i = 0; i < 8; i++) scene.primary.step();
  const begun = await scene.begin();
  await scene.catchUp(begun);
  const old = scene.primary;
  rmSync(join(scene.root, 'ltx'), { recursive: true });
  await expect(begun.follower.round()).rejects.toMatchObject({
    code: 'POSITION_MISMATCH',
    message: expect.stringContaining('holds no files'),
  });

  const other = new Primary(scene.root, 99, 1024, 1_800_000_000_000);
  other.step();
  await expect(begun.follower.round()).rejects.toMatchObject({ code: 'POSITION_MISMATCH', message: expect.stringContaining('ends at') });
  while (other.txid < 9) other.step();
  await expect(begun.follower.round()).rejects.toMatchObject({
    code: 'POSITION_MISMATCH',
    message: expect.stringContaining('is not the one'),
  });
  other.close();
  expect(begun.follower.txid).toBe(8n);
  const app = await scene.reader();
  await scene.expectState(app, 8);
  expect(scene.primary).toBe(old);
});

test('the original replica that comes back is followed again', async () => {
  scene = new Scene(12);
  for (let i = 0; i < 4; i++) scene.primary.step();
  const begun = await scene.begin();
  await scene.catchUp(begun);
  renameSync(join(scene.root, 'ltx'), join(scene.root, 'away'));
  await expect(begun.follower.round()).rejects.toMatchObject({ code: 'POSITION_MISMATCH' });
  renameSync(join(scene.root, 'away'), join(scene.root, 'ltx'));
  scene.primary.step();
  await scene.catchUp(begun);
  await scene.expectState(await scene.reader());
});

test('a program that wrote to the copy is told about and never overwritten, also after a restart', async () => {
  scene = new Scene(13);
  for (let i = 0; i < 4; i++) scene.primary.step();
  const begun = await scene.begin();
  await scene.catchUp(begun);
  const app = await scene.reader();
  await app.exec('UPDATE n SET n = 1000', 'writer');
  scene.primary.step();
  await expect(begun.follower.round()).rejects.toMatchObject({ code: 'SECOND_WRITER', hint: expect.stringContaining(scene.copy) });
  scene.close(begun);
  await expect(scene.begin()).rejects.toMatchObject({ code: 'SECOND_WRITER' });
  expect((await look(app)).n).toBe(1000);
});

test('a copy that a program put into WAL mode is refused', async () => {
  scene = new Scene(14);
  for (let i = 0; i < 4; i++) scene.primary.step();
  const begun = await scene.begin();
  const app = await scene.reader();
  await app.exec('PRAGMA journal_mode = WAL', 'writer');
  await expect(begun.follower.round()).rejects.toMatchObject({ code: 'SECOND_WRITER' });
  scene.close(begun);
  await expect(scene.begin()).rejects.toMatchObject({ code: 'SECOND_WRITER' });
});

test('a database without a cursor is refused, a cursor without a database begins anew, a damaged cursor is refused', async () => {
  scene = new Scene(15);
  for (let i = 0; i < 4; i++) scene.primary.step();
  scene.close(await scene.begin());
  rmSync(`${scene.copy}-txid`);
  await expect(scene.begin()).rejects.toMatchObject({ code: 'OUTPUT_EXISTS', hint: expect.stringContaining(`${scene.copy}-txid`) });
  writeFileSync(`${scene.copy}-txid`, 'four\n');
  await expect(scene.begin()).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' });
  rmSync(scene.copy);
  scene.close(await scene.begin());
  expect(cursor()).toBe('0000000000000004\n');
  writeFileSync(`${scene.copy}-journal`, '');
  rmSync(scene.copy);
  await expect(scene.begin()).rejects.toMatchObject({ code: 'OUTPUT_EXISTS', message: expect.stringContaining('-journal') });
});

test('a copy whose notes are lost is brought to the newest state as a whole', async () => {
  scene = new Scene(16);
  for (let i = 0; i < 10; i++) scene.primary.step();
  scene.close(await scene.begin());
  rmSync(join(scene.directory, '.copy.db-follow-litestream'), { recursive: true });
  for (let i = 0; i < 3; i++) scene.primary.step();
  const begun = await scene.begin();
  await scene.catchUp(begun);
  expect(scene.notes.at(-2)).toMatchObject({ type: 'rebased', from: undefined, reason: 'unknown-state', txid: 13n });
  await scene.expectState(await scene.reader());
});

test('a damaged file is found before the copy is touched', async () => {
  scene = new Scene(17);
  for (let i = 0; i < 4; i++) scene.primary.step();
  const begun = await scene.begin();
  await scene.catchUp(begun);
  for (let i = 0; i < 3; i++) scene.primary.step();
  const path = scene.primary.path(0, 5, 5);
  const whole = readFileSync(path);
  const damaged = Buffer.from(whole);
  damaged[damaged.length - 30] = (damaged[damaged.length - 30] ?? 0) ^ 0xff;
  for (const bytes of [damaged, whole.subarray(0, whole.length - 5)]) {
    writeFileSync(path, bytes);
    await expect(begun.follower.round()).rejects.toMatchObject({ code: expect.stringMatching(/^LTX_/) });
    const app = await scene.reader();
    await scene.expectState(app, 4);
    expect(existsSync(`${scene.copy}-journal`)).toBe(false);
  }
  writeFileSync(path, whole);
  await scene.catchUp(begun);
  await scene.expectState(await scene.reader());
});

test('files that shrink the database and let it grow again without one of the new pages are refused', async () => {
  scene = new Scene(20, 512);
  for (let i = 0; i < 3; i++) scene.primary.step(20);
  const begun = await scene.begin();
  const pages = scene.primary.image.length / 512;
  const put = (txid: number, commit: number, pgnos: readonly number[]) =>
    writeFileSync(
      scene.primary.path(0, txid, txid),
      encode(
        header(txid, txid, commit),
        pgnos.map((pgno) => [pgno, constantPage(pgno)]),
      ),
    );
  put(4, pages + 2, [pages + 1, pages + 2]);
  put(5, pages, [2]);
  put(6, pages + 2, [pages + 2]);
  await expect(begun.follower.round()).rejects.toMatchObject({ code: 'PAGE_MISSING', details: { page: pages + 1 } });
  await scene.expectState(await scene.reader(), 3);
});

test('two followers do not share a copy', async () => {
  scene = new Scene(18);
  scene.primary.step();
  await scene.begin();
  await expect(scene.begin()).rejects.toMatchObject({ code: 'DB_OWNED', message: expect.stringContaining(scene.copy) });
});

test('a reader that does not end is waited for, keeps its state, and others may read meanwhile', async () => {
  scene = new Scene(19);
  for (let i = 0; i < 3; i++) scene.primary.step();
  const begun = await scene.begin();
  const [slow, other] = [await scene.reader(), await scene.reader()];
  await slow.run(({ open }) => {
    const db = open('main', undefined, { readonly: true });
    db.exec('BEGIN');
    db.prepare('SELECT count(*) FROM a').get();
  });
  scene.primary.step();
  const round = begun.follower.round();
  await expect.poll(() => scene.kinds()).toContain('busy');
  expect((await look(other)).n).toBe(3);
  expect(await slow.run(({ db }) => db().prepare('SELECT n FROM n').pluck().get())).toBe(3);
  await slow.run(({ db }) => void db().exec('COMMIT'));
  await round;
  expect((await look(slow)).n).toBe(4);
});

test('a replica that cannot be reached is told and tried again, and its return is told', async () => {
  scene = new Scene(21);
  for (let i = 0; i < 3; i++) scene.primary.step();
  const running = followReplica(scene.request, scene.tools());
  const ended = running.catch((error: unknown) => error);
  await expect.poll(() => scene.kinds()).toContain('current');
  const error = new LitestreamError('STORAGE_UNAVAILABLE', 'the line is cut');
  scene.store.script({ on: 'list', fault: { type: 'error', error }, times: Number.POSITIVE_INFINITY });
  await expect.poll(() => scene.notes.at(-1)).toMatchObject({ type: 'failing', error: { code: 'STORAGE_UNAVAILABLE' } });
  scene.store.heal();
  await expect.poll(() => scene.notes.at(-1)?.type).toBe('current');
  scene.primary.step();
  await expect.poll(() => scene.notes.at(-1)).toMatchObject({ type: 'current', txid: 4n });
  const reason = new Error('stopped');
  scene.stop.abort(reason);
  expect(await ended).toBe(reason);
  await scene.expectState(await scene.reader());
});

test('a first copy is not made from an empty replica', async () => {
  scene = new Scene(22);
  await expect(scene.begin()).rejects.toMatchObject({ code: 'NO_SNAPSHOT' });
  expect(existsSync(scene.copy)).toBe(false);
  expect(existsSync(`${scene.copy}-txid`)).toBe(false);
});
