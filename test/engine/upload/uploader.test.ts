import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../../src/base/errors.ts';
import { NO_TXID, toTXID } from '../../../src/formats/ltx/txid.ts';
import { bytesBody } from '../../../src/storage/body.ts';
import { until } from '../../support/fake-clock.ts';
import { makeFile, publishFile } from '../../support/local-files.ts';
import { SYNC_INTERVAL_MS, type UploadSetup, uploadSetup } from './setup.ts';

const unavailable = () => new LitestreamError('STORAGE_UNAVAILABLE', 'connection reset');

describe('uploader', () => {
  let at: UploadSetup;
  beforeEach(async () => {
    at = await uploadSetup();
  });
  afterEach(() => at.dispose());

  test('sends what is there in TXID order, one put a file, and keeps the times of the headers', async () => {
    await at.publish(1, 2, 3);
    at.uploader.start();
    await at.reaches(3);
    expect(at.store.calls.filter(({ verb }) => verb === 'put').map(({ key }) => key.slice(-20))).toEqual(
      [1, 2, 3].map((n) => `${String(n).padStart(16, '0')}.ltx`),
    );
    const times: number[] = [];
    for await (const file of at.replica.list(0)) times.push(file.createdAt);
    expect(times).toEqual([at.clock.now(), at.clock.now(), at.clock.now()]);
  });

  test('asks nothing of the store while idle, for an hour', async () => {
    await at.publish(1);
    at.uploader.start();
    await at.reaches(1);
    await at.quiet();
    at.store.calls.length = 0;
    await at.clock.advance(3_600_000);
    expect(at.store.calls).toEqual([]);
    expect(at.clock.sleeping).toBe(0);
    expect(at.uploader.status()).toMatchObject({ state: 'replicating', lagSeconds: 0, pendingBytes: 0, txid: toTXID(1) });
  });

  test('after that sends exactly one put a file and nothing else', async () => {
    await at.publish(1);
    at.uploader.start();
    await at.reaches(1);
    await at.quiet();
    at.store.calls.length = 0;
    for (let txid = 2; txid <= 6; txid++) {
      await at.clock.advance(5000);
      await at.commit(txid);
      await at.reaches(txid);
    }
    expect(at.store.calls.map(({ verb }) => verb)).toEqual(['put', 'put', 'put', 'put', 'put']);
  });

  test('sends the first file after a pause at once, and the next ones together an interval later', async () => {
    at.uploader.start();
    await at.quiet();
    await at.clock.advance(10 * SYNC_INTERVAL_MS);
    await at.commit(1);
    await at.reaches(1);
    await at.commit(2);
    await at.commit(3);
    await at.quiet();
    expect(at.uploader.position).toBe(toTXID(1));
    expect(at.clock.nextDelay).toBe(SYNC_INTERVAL_MS);
    await at.clock.advance(SYNC_INTERVAL_MS - 1);
    await at.quiet();
    expect(await at.remote()).toEqual([1]);
    await at.clock.advance(1);
    await at.reaches(3);
  });

  test('drains a backlog of 10,000 files without waiting for a tick (row 48)', { timeout: 240_000 }, async () => {
    await at.publish(...Array.from({ length: 10_000 }, (_, i) => i + 1));
    at.uploader.start();
    const before = at.clock.now();
    await until10k();
    expect(at.clock.now()).toBe(before);
    expect(at.store.count('put')).toBe(10_000);
    const order = at.store.calls.filter(({ verb }) => verb === 'put').map(({ key }) => key);
    expect(order).toEqual([...order].sort());

    async function until10k(): Promise<void> {
      while (at.uploader.position !== toTXID(10_000)) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  test('does not lose a file that is finished while the position is being computed', async () => {
    await at.publish(1);
    const gate = Promise.withResolvers<void>();
    at.store.script({ on: 'list', fault: { type: 'wait', gate: gate.promise } });
    at.uploader.start();
    while (at.store.count('list') === 0) await at.quiet();
    await at.commit(2);
    gate.resolve();
    await at.reaches(2);
    expect(await at.remote()).toEqual([1, 2]);
  });

  test('stops at a missing local file, says so, and never skips it (row 41)', async () => {
    await at.publish(1, 2, 4, 5);
    at.uploader.start();
    await at.happens('gap');
    expect(at.events.find(({ type }) => type === 'gap')).toEqual({ type: 'gap', needed: toTXID(3) });
    expect(await at.remote()).toEqual([1, 2]);
    expect(at.uploader.status()).toMatchObject({ state: 'failing', lastError: { error: { code: 'LTX_MISSING' } } });
    await at.clock.advance(60 * 60_000);
    await at.quiet();
    expect(await at.remote()).toEqual([1, 2]);
    expect(at.uploader.status().lagSeconds).toBeGreaterThanOrEqual(3600);
  });

  test('goes on after the gap once a snapshot covers it', async () => {
    await at.publish(1, 2, 4, 5, 6);
    at.uploader.start();
    await at.happens('gap');
    await at.putRemote(5, { level: 9, min: 1, full: true });
    await at.uploader.holds(toTXID(5));
    at.uploader.retryNow();
    await at.reaches(6);
    expect(await at.remote()).toEqual([1, 2, 6]);
    expect(at.uploader.status()).toMatchObject({ state: 'replicating', lagSeconds: 0 });
  });

  test('a file that vanishes between listing and sending is the same typed failure', async () => {
    at.uploader.start();
    await at.quiet();
    await at.clock.advance(SYNC_INTERVAL_MS);
    at.uploader.notify({ txid: toTXID(1), size: 100, at: at.clock.now() });
    await at.happens('failed');
    expect(at.uploader.status().lastError?.error.code).toBe('LTX_MISSING');
  });

  test('knows its own file again when the answer to a put was lost', async () => {
    await at.publish(1, 2, 3);
    at.store.script({ on: 'put', key: '2.ltx', fault: { type: 'lost-answer', error: unavailable() } });
    at.uploader.start();
    await at.happens('failed');
    expect(at.uploader.position).toBe(toTXID(1));
    await at.clock.advance(SYNC_INTERVAL_MS);
    await at.reaches(3);
    expect(await at.remote()).toEqual([1, 2, 3]);
  });

  test('goes on where a killed process stopped between upload and bookkeeping', async () => {
    await at.publish(1, 2, 3);
    await at.putRemote(1);
    await at.putRemote(2);
    at.uploader.start();
    await at.reaches(3);
    expect(at.store.count('put')).toBe(1);
  });

  test('adopts its own file when a retry below it meets what the first attempt had stored', async () => {
    await at.publish(1);
    at.uploader.start();
    await at.reaches(1);
    // Only the put collides: the listing was taken before an earlier attempt became visible.
    const late = await at.commit(2);
    await at.replica.write(
      0,
      late.txid,
      late.txid,
      {
        open: async function* () {
          yield late.bytes;
        },
      },
      { createdAt: late.at },
    );
    await at.clock.advance(SYNC_INTERVAL_MS);
    await at.reaches(2);
    expect(at.events.filter(({ type }) => type === 'failed')).toEqual([]);
  });

  test('H13: finds a second writer at the first collision and stops for good', async () => {
    await at.publish(1);
    at.uploader.start();
    await at.reaches(1);
    await at.putRemote(2, { salt: 99 });
    await at.commit(2);
    await at.clock.advance(SYNC_INTERVAL_MS);
    await at.happens('failed');
    const { lastError } = at.uploader.status();
    expect(lastError?.error.code).toBe('SECOND_WRITER');
    expect(lastError?.error.details).toMatchObject({ ours: { size: expect.any(Number) }, theirs: { size: expect.any(Number) } });
    expect(lastError).not.toHaveProperty('nextTryAt');
    at.store.calls.length = 0;
    at.uploader.retryNow();
    await at.clock.advance(24 * 3_600_000);
    await at.quiet();
    expect(at.store.calls).toEqual([]);
    await expect(at.uploader.flush()).rejects.toMatchObject({ code: 'NOT_REPLICATED' });
  });

  test('finds a second writer when another history has grown since the replica was first heard', async () => {
    await at.putRemote(1, { salt: 99 });
    at.uploader.heard(toTXID(1));
    await at.putRemote(2, { salt: 99 });
    await at.putRemote(3, { salt: 99 });
    // Made to follow TXID 1; a snapshot of them would be continued by the files of the other writer.
    await at.publish(2, 3, 4);
    at.uploader.start();
    await at.happens('failed');
    expect(at.uploader.status().lastError?.error.code).toBe('SECOND_WRITER');
    expect(at.events.filter(({ type }) => type === 'gap')).toEqual([]);
  });

  test('an answer that is cut when histories are compared says nothing', async () => {
    const file = makeFile(1, at.clock.now());
    await publishFile(at.directory, file);
    at.uploader.heard(NO_TXID);
    await at.replica.write(0, file.txid, file.txid, bytesBody(file.bytes), { createdAt: file.at });
    await at.publish(2);
    at.store.script({ on: 'open', fault: { type: 'broken', after: 2, ending: 'end' } });
    at.uploader.start();
    await at.happens('failed');
    expect(at.uploader.status().lastError?.error.code).toBe('READ_TRUNCATED');
    await at.clock.advance(SYNC_INTERVAL_MS);
    await at.reaches(2);
  });

  test('a local file that goes in the moment before it is sent is bridged', async () => {
    await at.putRemote(1, { salt: 99, level: 9 });
    await at.publish(2);
    const [name = ''] = await readdir(at.directory);
    const gate = Promise.withResolvers<void>();
    at.store.script({ on: 'list', times: 9, fault: { type: 'wait', gate: gate.promise } });
    at.uploader.start();
    await until(() => at.store.count('list') > 0, 'the replica is asked');
    await rm(join(at.directory, name));
    gate.resolve();
    await at.happens('gap');
    await at.happens('failed');
    expect(at.uploader.status().lastError?.error.code).toBe('LTX_MISSING');
  });

  test('says before a snapshot is put that somebody else has written behind what was confirmed', async () => {
    await at.publish(1);
    at.uploader.start();
    await at.reaches(1);
    await at.uploader.expectAlone(toTXID(2));
    await at.putRemote(2, { salt: 99 });
    await at.publish(2, 3);
    await at.commit(4);
    await expect(at.uploader.expectAlone(toTXID(4))).rejects.toMatchObject({ code: 'SECOND_WRITER' });
  });

  test('takes a file whose local one has gone meanwhile for ours, when a snapshot is to be put', async () => {
    await at.publish(1);
    at.uploader.start();
    await at.reaches(1);
    await at.putRemote(2);
    await at.commit(3);
    await expect(at.uploader.expectAlone(toTXID(3))).resolves.toMatchObject({ isCertain: false });
  });

  test('lets no snapshot be put that is older than what another history has come to', async () => {
    for (const txid of [1, 2, 3]) await at.putRemote(txid, { salt: 99 });
    await at.publish(2);
    at.uploader.start();
    await at.happens('ahead');
    await expect(at.uploader.expectAlone(toTXID(2))).rejects.toMatchObject({ code: 'NOT_REPLICATED' });
  });

  test('backs off with doubling delays up to five minutes, logs twice a minute at most, and recovers by itself', async () => {
    await at.publish(1);
    at.store.script({ on: 'put', times: 14, fault: { type: 'error', error: new LitestreamError('STORAGE_THROTTLED', 'slow down') } });
    at.uploader.start();
    const delays: number[] = [];
    for (let i = 1; i <= 14; i++) {
      await at.happens('failed', i);
      await at.quiet();
      delays.push(at.clock.nextDelay ?? -1);
      await at.clock.advance(delays.at(-1) ?? 0);
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300, 300].map((s) => s * 1000));
    await at.reaches(1);
    await at.happens('recovered');
    expect(at.lines.filter(({ level }) => level === 'error').length).toBeLessThanOrEqual(10);
    expect(at.lines.filter(({ message }) => message === 'uploads go on again')).toHaveLength(1);
    expect(at.uploader.status()).not.toHaveProperty('lastError');
  });

  test('tries what somebody has to change first at the slow cadence', async () => {
    await at.publish(1);
    at.store.script({ on: 'put', fault: { type: 'error', error: new LitestreamError('ACCESS_DENIED', 'no') } });
    at.uploader.start();
    await at.happens('failed');
    await at.quiet();
    expect(at.clock.nextDelay).toBe(300_000);
    await at.clock.advance(300_000);
    await at.reaches(1);
  });

  test('lag is the age of the oldest file not there, and grows while uploads fail', async () => {
    at.uploader.start();
    await at.quiet();
    await at.clock.advance(SYNC_INTERVAL_MS);
    at.store.script({ on: 'put', times: 1000, fault: { type: 'error', error: unavailable() } });
    await at.commit(1);
    await at.clock.advance(60_000);
    const file = await at.commit(2);
    await at.clock.advance(60_000);
    await at.quiet();
    expect(at.uploader.status()).toMatchObject({ state: 'failing', lagSeconds: 120, pendingBytes: expect.any(Number), lagTXIDs: 2n });
    expect(at.uploader.status().pendingBytes).toBeGreaterThan(file.size);
    at.store.heal();
    at.uploader.retryNow();
    await at.reaches(2);
    expect(at.uploader.status()).toMatchObject({ lagSeconds: 0, pendingBytes: 0, lagTXIDs: 0n });
  });

  test('lag grows while a replica has never answered, from the start of the process', async () => {
    await at.publish(1);
    await at.clock.advance(86_400_000);
    const late = at.restart();
    at.store.script({ on: 'list', times: 1000, fault: { type: 'error', error: unavailable() } });
    late.start();
    await at.happens('failed');
    await at.clock.advance(60_000);
    await at.quiet();
    expect(late.status()).toMatchObject({ state: 'failing', lagSeconds: 60 });
    expect(late.status()).not.toHaveProperty('txid');
  });

  test('a replica further than the local log raises the engine, and a full file after it is sent', async () => {
    await at.putRemote(10, { full: true });
    await at.publish(1, 2);
    at.uploader.start();
    await at.happens('ahead');
    expect(at.events.find(({ type }) => type === 'ahead')).toEqual({ type: 'ahead', floor: toTXID(10) });
    await at.quiet();
    expect(at.store.count('put')).toBe(0);
    await at.clock.advance(5000);
    expect(at.uploader.status()).toMatchObject({ state: 'degraded', lagSeconds: 5 });
    await at.commit(11, { full: true });
    await at.reaches(11);
    await at.quiet();
    expect(at.uploader.status()).toMatchObject({ state: 'replicating', lagSeconds: 0 });
    expect(await at.remote()).toEqual([10, 11]);
  });

  test('counts all levels: a snapshot beyond level 0 is the position', async () => {
    await at.putRemote(3, { full: true });
    await at.putRemote(20, { level: 9, min: 1, full: true });
    at.uploader.start();
    await at.happens('ahead');
    expect(at.events.find(({ type }) => type === 'ahead')).toEqual({ type: 'ahead', floor: toTXID(20) });
  });

  test('never sends an increment after a history it was not based on', async () => {
    await at.putRemote(10, { full: true, salt: 7 });
    await at.publish(9, 10, 11);
    at.uploader.start();
    await at.happens('gap');
    expect(await at.remote()).toEqual([10]);
    expect(at.uploader.status().lastError?.error.code).toBe('POSITION_MISMATCH');
  });

  test('nor after a position that only a higher level holds, unless it is known to be ours', async () => {
    await at.putRemote(10, { level: 1, min: 1, full: true, salt: 7 });
    await at.publish(9, 10, 11);
    at.uploader.start();
    await at.happens('gap');
    expect(await at.remote()).toEqual([]);
    await at.uploader.holds(toTXID(10));
    at.uploader.retryNow();
    await at.reaches(11);
    await at.uploader.close();
    // Remembered across a restart: no second snapshot.
    await at.replica.delete([{ level: 0, minTXID: toTXID(11), maxTXID: toTXID(11), size: 0, createdAt: 0 }]);
    await at.putRemote(11, { level: 1, min: 11 });
    await at.publish(12);
    const again = at.restart();
    again.start();
    await at.reaches(12, again);
  });

  test.each([
    ['goes on after the snapshot that was under way when the process died, without another one', 0],
    ['but not after another snapshot of the same name', 1],
  ])('%s', async (_what, more) => {
    await at.publish(1, 2, 3);
    at.uploader.start();
    await at.reaches(3);
    const { bytes } = await at.putRemote(5, { level: 9, min: 1, full: true });
    await at.uploader.expects({ txid: toTXID(5), size: bytes.byteLength + more, trailer: bytes.subarray(-16) });
    await at.uploader.close();
    await at.publish(4, 5, 6);
    const again = at.restart();
    again.start();
    if (more === 0) await at.reaches(6, again);
    else await at.happens('gap');
    expect(await at.remote()).toEqual(more === 0 ? [1, 2, 3, 6] : [1, 2, 3]);
  });

  test('nor when it came between the listing and the raise', async () => {
    await at.putRemote(10, { full: true });
    await at.publish(9);
    at.uploader.start();
    await at.happens('ahead');
    await at.commit(10, { salt: 3 });
    await at.commit(11, { salt: 3 });
    await at.clock.advance(SYNC_INTERVAL_MS);
    await at.happens('gap');
    expect(await at.remote()).toEqual([10]);
  });

  test('another file under the newest local TXID raises the engine instead of ending in a collision', async () => {
    await at.putRemote(1, { salt: 7 });
    await at.publish(1);
    at.uploader.start();
    await at.happens('ahead');
    expect(at.events.find(({ type }) => type === 'ahead')).toEqual({ type: 'ahead', floor: toTXID(1) });
  });

  test('a destination that holds less than was confirmed there is not continued', async () => {
    await at.publish(1, 2);
    at.uploader.start();
    await at.reaches(2);
    for await (const file of at.replica.list(0)) await at.replica.delete([file]);
    at.store.script({ on: 'put', fault: { type: 'error', error: unavailable() } });
    await at.commit(3);
    await at.clock.advance(SYNC_INTERVAL_MS);
    await at.happens('failed');
    await at.quiet();
    await at.clock.advance(SYNC_INTERVAL_MS);
    await at.happens('failed', 2);
    expect(at.uploader.status().lastError?.error.code).toBe('POSITION_MISMATCH');
    expect(await at.remote()).toEqual([]);
  });

  test('nor after a restart: an unmounted destination is told by what was uploaded there, until somebody says it is meant', async () => {
    await at.publish(1, 2, 3);
    at.uploader.start();
    await at.reaches(3);
    await at.uploader.close();
    for await (const file of at.replica.list(0)) await at.replica.delete([file]);
    const again = at.restart();
    again.start();
    await at.happens('failed');
    const { lastError } = again.status();
    expect(lastError?.error).toMatchObject({ code: 'POSITION_MISMATCH', message: expect.stringContaining('is empty') });
    expect(at.lines.find(({ message }) => message === 'upload failed')?.fields?.hint).toContain('litestream reset');
    expect(await at.remote()).toEqual([]);
    await again.close();
    await rm(String(lastError?.error.details?.mark));
    const meant = at.restart();
    meant.start();
    await at.reaches(3, meant);
    expect(await at.remote()).toEqual([1, 2, 3]);
  });

  test('what was given up on purpose is not told as an unknown history', async () => {
    await at.publish(1, 2);
    at.uploader.start();
    await at.reaches(2);
    for (const name of await readdir(at.directory)) await rm(join(at.directory, name));
    await at.uploader.startOver();
    await at.happens('ahead');
    expect(at.lines.filter(({ message }) => message.includes('does not know'))).toEqual([]);
  });

  test('a new destination of the same name is begun without complaint', async () => {
    await at.publish(1);
    at.uploader.start();
    await at.reaches(1);
    await at.uploader.close();
    for await (const file of at.replica.list(0)) await at.replica.delete([file]);
    Object.assign(at.store, { destination: 'another place' });
    const moved = at.restart();
    moved.start();
    await at.reaches(1, moved);
    expect(at.events.filter(({ type }) => type === 'failed')).toEqual([]);
  });

  test('after a restart the lag is that of the files behind the last known upload, while the replica does not answer', async () => {
    await at.publish(1, 2);
    at.uploader.start();
    await at.reaches(2);
    await at.uploader.close();
    await at.clock.advance(3_600_000);
    await at.publish(3);
    await at.clock.advance(7_200_000);
    at.store.script({ on: 'list', times: 1000, fault: { type: 'error', error: unavailable() } });
    const again = at.restart();
    again.start();
    await at.happens('failed');
    expect(again.status()).toMatchObject({ state: 'failing', lagSeconds: 7200 });
  });

  test('files that are confirmed do not count as pending while the replica fails', async () => {
    await at.publish(1);
    at.uploader.start();
    await at.reaches(1);
    await at.quiet();
    await at.clock.advance(600_000);
    at.store.script({ on: 'put', times: 1000, fault: { type: 'error', error: unavailable() } });
    const file = await at.commit(2);
    await at.happens('failed');
    at.uploader.retryNow();
    await at.happens('failed', 2);
    expect(at.uploader.status()).toMatchObject({ lagSeconds: 0, pendingBytes: file.size });
  });

  test('increments below the position, finished before the raise was heard, are passed over', async () => {
    await at.putRemote(10, { full: true });
    await at.publish(5);
    at.uploader.start();
    await at.happens('ahead');
    await at.commit(6);
    await at.commit(11, { full: true });
    await at.clock.advance(SYNC_INTERVAL_MS);
    await at.reaches(11);
    expect(at.events.filter(({ type }) => type === 'gap')).toEqual([]);
  });

  test('a retry asked for during a round is not lost when that round fails', async () => {
    await at.publish(1, 2);
    const gate = Promise.withResolvers<void>();
    at.store.script({ on: 'put', fault: { type: 'wait', gate: gate.promise } });
    at.uploader.start();
    while (at.store.count('put') === 0) await at.quiet();
    await rm(join(at.directory, '0000000000000002-0000000000000002.ltx'));
    at.uploader.retryNow();
    gate.resolve();
    // The first failure would wait for five minutes on a clock that stands still.
    await at.happens('failed');
    await at.quiet();
    expect(at.store.count('list')).toBe(20);
  });

  test('a listing that fails is never an empty replica', async () => {
    await at.putRemote(10, { full: true });
    await at.publish(1);
    at.store.script({
      on: 'list',
      key: 'ltx/0/',
      fault: { type: 'error', error: new LitestreamError('CONTAINER_NOT_FOUND', 'not mounted') },
    });
    at.uploader.start();
    await at.happens('failed');
    expect(at.store.count('put')).toBe(0);
  });

  test('refuses a local file that is not what its name says', async () => {
    await at.publish(1, 2);
    await rm(join(at.directory, '0000000000000002-0000000000000002.ltx'));
    const { link } = await import('node:fs/promises');
    await link(join(at.directory, '0000000000000001-0000000000000001.ltx'), join(at.directory, '0000000000000002-0000000000000002.ltx'));
    at.uploader.start();
    await at.happens('failed');
    expect(at.uploader.status().lastError?.error.code).toBe('LTX_INVALID');
    expect(await at.remote()).toEqual([1]);
  });

  test('without conditional puts it replaces, and still sends one put a file', async () => {
    const other = await uploadSetup({ conditionalPut: false });
    try {
      await other.publish(1, 2);
      other.uploader.start();
      await other.reaches(2);
      expect(other.store.count('put')).toBe(2);
      expect(other.store.count('stat')).toBe(0);
    } finally {
      await other.dispose();
    }
  });

  test('close cancels a hanging upload and ends', async () => {
    await at.publish(1);
    at.store.script({ on: 'put', fault: { type: 'hang' } });
    at.uploader.start();
    while (at.store.count('put') === 0) await at.quiet();
    await at.uploader.close();
    expect(at.uploader.status()).toMatchObject({ state: 'stopped' });
    expect(at.events.filter(({ type }) => type === 'failed')).toEqual([]);
    expect(at.clock.sleeping).toBe(0);
  });
});
