/** One writer to a replica: leases, collisions, processes that slept, and what the loser keeps. */

import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { LitestreamError } from '../../src/base/errors.ts';
import { LATEST } from '../../src/engine/restore/target.ts';
import { layoutFor } from '../../src/replica/layout.ts';
import { Replica } from '../../src/replica/replica.ts';
import { leaseCompanion } from '../../src/service/companions/lease.ts';
import type { ManagedDatabase } from '../../src/service/managed-database.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';
import type { ReplicaStatus } from '../../src/service/service.ts';
import { bytesBody } from '../../src/storage/body.ts';
import { runJob } from '../../src/workers/job-host.ts';
import type { App } from '../support/app-process.ts';
import { makeFile } from '../support/local-files.ts';
import { becomes, Setting, STOP, settled as settledOnce } from './setting.ts';

/** Of leases that are to expire in a test. */
const TTL = 2000;
/** Of those that are not, whatever the machine does. */
const LONG = 600_000;

let setting: Setting;
beforeEach(() => {
  setting = new Setting();
  setting.companions = [leaseCompanion];
});
afterEach(() => setting.end());

const insert = (app: App, text: string) => app.exec(`INSERT INTO t (body) VALUES ('${text}')`);
/** The engine is open, and everything is at the replica. */
async function settled(database: ManagedDatabase): Promise<void> {
  await expect.poll(async () => (await database.status()).engine.state, { interval: 10 }).toBe('replicating');
  await settledOnce(database);
}
const soon = { timeout: 30_000, interval: 20 };

/** A database of its own on the shared replica `one`. */
function entryOf(name: string, lease?: { readonly ttlMs: number; readonly owner: string }): DatabaseEntry {
  const { replicas, ...entry } = setting.entry(['one'], { settings: setting.settings(name) });
  return { ...entry, replicas: replicas.map((replica) => ({ ...replica, ...(lease === undefined ? {} : { lease }) })) };
}

function replicaOf(database: ManagedDatabase): ReplicaStatus {
  const [replica] = database.replicas;
  if (replica === undefined) throw new Error('there is no replica');
  return replica.status();
}

/** Every file at the replica with its bytes. */
async function filesThere(): Promise<Map<string, string>> {
  const root = setting.remote('one').path;
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ltx'));
  return new Map(await Promise.all(names.map(async (name) => [name, (await readFile(join(root, name))).toString('base64')] as const)));
}

/** What the command in the hint restores. */
async function keptDigest(app: App, { lastError }: ReplicaStatus): Promise<string> {
  const directory = lastError?.error.hint?.match(/file:\/\/(\S+)/)?.[1];
  if (directory === undefined) throw new Error(`no directory in: ${lastError?.error.hint}`);
  const output = setting.at(`kept-${Math.random().toString(36).slice(2)}.db`);
  await runJob('restore', { store: { type: 'file', path: directory }, target: LATEST, output, integrity: 'quick' });
  return app.digestFile(output);
}

describe('a snapshot', () => {
  const level = (number: number): RegExp => new RegExp(`ltx/${number}/`);

  /** A replica that lacks the newest local files, because no level-0 file gets through until `release`. */
  async function behind() {
    const app = await setting.application('a');
    await insert(app, 'of a');
    const { database } = await setting.start(entryOf('a'));
    await settled(database);
    const { store } = setting.remote('one');
    // A snapshot waits for level 0 where that only takes its time.
    const error = new LitestreamError('STORAGE_UNAVAILABLE', 'no level 0');
    store.script({ on: 'put', key: level(0), fault: { type: 'error', error }, times: Number.POSITIVE_INFINITY });
    const [replica] = database.replicas;
    if (replica?.position === undefined) throw new Error('there is no position');
    const { position } = replica;
    for (const text of ['more', 'and more', 'and more']) {
      await insert(app, text);
      await database.sync({ wait: false });
    }
    /** What another process would write next. */
    const writeForeign = async (): Promise<void> => {
      const file = makeFile(Number(position) + 1, Date.now(), { full: true, salt: 99 });
      await new Replica(store.innermost, layoutFor('file')).write(0, file.txid, file.txid, bytesBody(file.bytes), { createdAt: file.at });
    };
    return { database, replica, store, writeForeign, release: () => store.heal() };
  }

  // Its name collides with nothing, and the files of the other process would continue it.
  test('is not put where another process has written meanwhile', async () => {
    const { database, replica, writeForeign, release } = await behind();
    await writeForeign();
    await expect(database.snapshot(replica)).rejects.toMatchObject({ code: 'SECOND_WRITER' });
    expect(await setting.remote('one').txids(9)).toEqual([]);
    release();
    await expect.poll(() => replicaOf(database).lastError?.error.code, soon).toBe('SECOND_WRITER');
  });

  test('does not stay where another process writes during the put, whoever finds that out first', async () => {
    const { database, replica, store, writeForeign } = await behind();
    const put = Promise.withResolvers<void>();
    store.script({ on: 'put', key: level(9), fault: { type: 'wait', gate: put.promise } });
    const snapshot = expect(database.snapshot(replica)).rejects.toMatchObject({ code: 'SECOND_WRITER' });
    await expect.poll(() => store.calls.some(({ verb, key }) => verb === 'put' && key.includes('ltx/9/')), soon).toBe(true);
    await writeForeign();
    // The uploads end all writes to the replica.
    await expect.poll(() => replicaOf(database).lastError?.error.code).toBe('SECOND_WRITER');
    put.resolve();
    await snapshot;
    expect(await setting.remote('one').txids(9)).toEqual([]);
  });

  test('does not stay either where the uploads took it for the end of our own history before it was looked at again', async () => {
    const { database, replica, store, writeForeign, release } = await behind();
    const [put, look] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    store.script(
      { on: 'put', key: level(9), fault: { type: 'wait', gate: put.promise } },
      { on: 'open', key: level(9), fault: { type: 'wait', gate: look.promise } },
    );
    const snapshot = expect(database.snapshot(replica)).rejects.toMatchObject({ code: 'SECOND_WRITER' });
    const count = (verb: string) => store.calls.filter((call) => call.verb === verb && call.key.includes('ltx/9/')).length;
    await expect.poll(() => count('put'), soon).toBe(1);
    const before = replica.position;
    // The uploads shall not find it before.
    const error = new LitestreamError('STORAGE_UNAVAILABLE', 'no listing');
    store.script({ on: 'list', fault: { type: 'error', error }, times: Number.POSITIVE_INFINITY });
    await writeForeign();
    put.resolve();
    await expect.poll(() => count('open'), soon).toBe(1);
    release();
    await expect.poll(() => replica.position).not.toBe(before);
    look.resolve();
    await snapshot;
    expect(await setting.remote('one').txids(9)).toEqual([]);
    await becomes(database, 'failing');
  });
});

describe('a lease', () => {
  test('is held by the first, waited for by the second, which names the holder and writes nothing', async () => {
    const app = await setting.application('a');
    await insert(app, 'of a');
    const { database: a } = await setting.start(entryOf('a', { ttlMs: LONG, owner: 'machine-a' }));
    await settled(a);
    expect(replicaOf(a).lease).toMatchObject({ state: 'held', owner: 'machine-a', fencing: 1n });
    const before = await filesThere();

    const other = await setting.application('b');
    await insert(other, 'of b');
    const { database: b } = await setting.start(entryOf('b', { ttlMs: TTL, owner: 'machine-b' }));
    await expect.poll(() => replicaOf(b).lastError?.error.code, soon).toBe('LEASE_HELD');
    expect(replicaOf(b)).toMatchObject({ state: 'failing', lease: { state: 'waiting', owner: 'machine-a', fencing: 1n } });
    expect(replicaOf(b).lastError?.error.message).toContain('machine-a holds its lease until');
    expect(replicaOf(b).troubles?.[0]).toMatchObject({ of: 'lease', error: { code: 'LEASE_HELD' } });
    expect(await filesThere()).toEqual(before);
  });

  test('given back at a stop lets the second go on at once, behind the history of the first', async () => {
    const app = await setting.application('a');
    await insert(app, 'of a');
    const { service, database: a } = await setting.start(entryOf('a', { ttlMs: LONG, owner: 'machine-a' }));
    await settled(a);
    const before = await filesThere();
    const other = await setting.application('b');
    await insert(other, 'of b');
    // It looks every third of this, and has its lease for that long.
    const { database: b } = await setting.start(entryOf('b', { ttlMs: 9000, owner: 'machine-b' }));
    await expect.poll(() => replicaOf(b).lease?.state, soon).toBe('waiting');
    await service.stop(STOP);
    await expect.poll(() => replicaOf(b).lease, soon).toMatchObject({ state: 'held', fencing: 2n });
    await becomes(b, 'replicating');
    await settled(b);
    expect(await setting.restoredDigest(other)).toBe(await other.digest());
    const after = await filesThere();
    for (const [name, bytes] of before) expect(after.get(name), name).toBe(bytes);
  });

  test('that nobody renews is taken over after its time; the old holder writes nothing more and its changes are kept', async () => {
    const app = await setting.application('a');
    await insert(app, 'of a');
    const { database: a } = await setting.start(entryOf('a', { ttlMs: TTL, owner: 'machine-a' }));
    await settled(a);
    // Its line is cut for longer than the lease lasts.
    setting.remote('one').cut();
    await expect.poll(() => replicaOf(a).lease?.state, soon).toBe('lost');
    await insert(app, 'captured and never sent');
    await expect.poll(() => replicaOf(a).lastError !== undefined, soon).toBe(true);

    const other = await setting.application('b');
    await insert(other, 'of b');
    const { FileStore } = await import('../../src/storage/file/file.ts');
    const { Lease } = await import('../../src/replica/lease.ts');
    const { systemClock } = await import('../../src/base/clock.ts');
    const store = new FileStore({ type: 'file', path: setting.remote('one').path });
    // It takes what has been silent for TTL, and keeps it for LONG without a renewal.
    const clock = { ...systemClock, monotonic: () => (systemClock.monotonic() * LONG) / TTL };
    const thief = new Lease({ store, key: 'lock.json', ttlMs: LONG, owner: 'machine-b', clock });
    await expect.poll(() => thief.step(), soon).toBe(true);
    const before = await filesThere();
    setting.remote('one').heal();
    await expect.poll(() => replicaOf(a).lastError?.error.message ?? '', soon).toContain('taken from us, machine-b');
    expect(setting.counts.get('lease_losses')).toBe(1);
    await expect.poll(() => replicaOf(a).lastError?.error.hint ?? '', soon).toContain('litestream restore');
    await a.sync({ wait: false });
    await expect.poll(async () => (await keptDigest(app, replicaOf(a))) === (await app.digest()), soon).toBe(true);
    expect(await filesThere()).toEqual(before);
  });

  test('is not taken from the process that replicates the same database, whose owner name is the same', async () => {
    const app = await setting.application('a');
    await insert(app, 'of a');
    const lease = { ttlMs: LONG, owner: 'this-machine' };
    const { database: a } = await setting.start(entryOf('a', lease));
    await settled(a);
    const { database: second, service } = await setting.start(entryOf('a', lease));
    await expect.poll(async () => (await second.status()).engine.error?.code, soon).toBe('DB_OWNED');
    await expect.poll(() => replicaOf(second).troubles?.[0]?.error.code, soon).toBe('DB_OWNED');
    expect(replicaOf(second).lease?.state).toBe('waiting');
    await insert(app, 'more of a');
    await settled(a);
    await service.stop(STOP);
    expect(replicaOf(a).lease).toMatchObject({ state: 'held', fencing: 1n });
    expect(setting.counts.get('lease_losses')).toBeUndefined();
  });

  test('at a destination that cannot hold one is a named state, and nothing is written', async () => {
    const { MemoryStore } = await import('../../src/storage/memory/memory.ts');
    const { Replica } = await import('../../src/replica/replica.ts');
    const { layoutFor } = await import('../../src/replica/layout.ts');
    const weak = new Replica(new MemoryStore({ capabilities: { conditionalReplace: false } }), layoutFor('file'));
    const app = await setting.application('a');
    await insert(app, 'of a');
    setting.openReplica = async () => weak;
    const { database } = await setting.start(entryOf('a', { ttlMs: TTL, owner: 'machine-a' }));
    await expect.poll(() => replicaOf(database).lastError?.error.code, soon).toBe('NOT_SUPPORTED');
    expect(replicaOf(database).lastError?.error.hint).toContain('Remove lease');
    expect(await weak.maxTXID()).toBe(0n);
  });
});

describe('a second writer without a lease', () => {
  test('that collides stops; what it holds is kept and restores exactly; nothing of the first is changed', async () => {
    const app = await setting.application('a');
    await insert(app, 'of a');
    const { database: a } = await setting.start(entryOf('a'));
    await settled(a);
    // a is cut off before it hears that b goes on behind its history.
    const line = setting.remote('one');
    line.cut('put');
    await insert(app, 'captured while b takes over');
    await a.sync({ wait: false });
    const other = await setting.application('b');
    await insert(other, 'of b');
    setting.bypassFaults = true;
    const { database: b } = await setting.start(entryOf('b'));
    await settled(b);
    await insert(other, 'more of b');
    await settled(b);
    const winners = await filesThere();

    line.heal();
    a.replicas[0]?.retryNow();
    await expect.poll(() => replicaOf(a).lastError?.error.code, soon).toBe('SECOND_WRITER');
    await expect.poll(() => replicaOf(a).lastError?.error.hint ?? '', soon).toContain('litestream restore');
    await insert(app, 'after it was displaced');
    await a.sync({ wait: false });
    await expect.poll(async () => (await keptDigest(app, replicaOf(a))) === (await app.digest()), soon).toBe(true);
    expect(await filesThere()).toEqual(winners);
    expect(await setting.restoredDigest(other)).toBe(await other.digest());
    expect(replicaOf(b).state).toBe('replicating');
    // Nothing is written or deleted by the loser from now on, whatever asks for it.
    await expect(a.replicas[0]?.replica.mayWrite()).rejects.toMatchObject({ code: 'SECOND_WRITER' });
    expect(setting.lines.filter(({ message }) => message.includes('kept aside'))).toHaveLength(1);
  });

  test('that has gone: a reset lets the loser go on behind what it wrote, and nothing more is kept aside', async () => {
    const app = await setting.application('a');
    await insert(app, 'of a');
    const { database: a } = await setting.start(entryOf('a'));
    await settled(a);
    const other = await setting.application('b');
    await insert(other, 'of b');
    const { service, database: b } = await setting.start(entryOf('b'));
    await settled(b);
    await service.stop(STOP);
    const winners = await filesThere();
    await insert(app, 'more of a');
    a.replicas[0]?.retryNow();
    await expect.poll(() => replicaOf(a).lastError?.error.hint ?? '', soon).toContain('litestream restore');
    await a.reset('the other machine is gone');
    await becomes(a, 'replicating');
    await insert(app, 'and on');
    await settled(a);
    expect(await setting.restoredDigest(app)).toBe(await app.digest());
    const now = await filesThere();
    for (const [name, bytes] of winners) expect(now.get(name), name).toBe(bytes);
    const kept = () =>
      readdirSync(setting.at('.a.db-litestream', 'aside'), { recursive: true, encoding: 'utf8' }).filter((name) => /one-.*ltx$/.test(name));
    const before = kept();
    await insert(app, 'not aside');
    await settled(a);
    expect(kept()).toEqual(before);
  });

  test('that wrote while we run is found by its listing, too, and not followed', async () => {
    const app = await setting.application('a');
    await insert(app, 'of a');
    const { database: a } = await setting.start(entryOf('a'));
    await settled(a);
    const other = await setting.application('b');
    await insert(other, 'of b');
    const { database: b } = await setting.start(entryOf('b'));
    await settled(b);
    const winners = await filesThere();
    a.replicas[0]?.retryNow();
    await expect.poll(() => replicaOf(a).lastError?.error.code, soon).toBe('SECOND_WRITER');
    expect(replicaOf(a).lastError?.error.message).toContain('another process writes there');
    await insert(app, 'not sent');
    await a.sync({ wait: false });
    expect(await filesThere()).toEqual(winners);
  });
});
