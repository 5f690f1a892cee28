import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { layoutFor } from '../../src/replica/layout.ts';
import { encodeProofRecord, PROOF_RECORD_NAME } from '../../src/replica/proof-record.ts';
import { Replica } from '../../src/replica/replica.ts';
import { checkHealth } from '../../src/service/health.ts';
import type { ManagedDatabase } from '../../src/service/managed-database.ts';
import { Metrics } from '../../src/service/metrics/metrics.ts';
import type { DatabaseEntry } from '../../src/service/options.ts';
import { proofCompanion } from '../../src/service/proof/companion.ts';
import { ProofLedgers } from '../../src/service/proof/ledger.ts';
import { FileStore } from '../../src/storage/file/file.ts';
import type { App } from '../support/app-process.ts';
import { textOf } from '../support/exposition.ts';
import { becomes, Setting, STOP, settled } from './setting.ts';

let setting: Setting;
let app: App;

beforeEach(async () => {
  setting = new Setting();
  setting.companions = [proofCompanion(new ProofLedgers(systemClock, setting.log, '1.2.3'))];
  app = await setting.application();
});

afterEach(() => setting.end());

function entry(proofIntervalMs = 1): DatabaseEntry {
  const plain = setting.entry();
  return { ...plain, replicas: plain.replicas.map((replica) => ({ ...replica, proofIntervalMs })) };
}

async function started(proofIntervalMs?: number): Promise<ManagedDatabase> {
  const { database } = await setting.start(entry(proofIntervalMs));
  await becomes(database, 'replicating');
  return database;
}

const insert = (): Promise<void> => app.exec('INSERT INTO t (body) VALUES (randomblob(20000))');
const prove = (): Promise<void> => setting.scheduler.run('proof of app/one');
const replicaOf = async (database: ManagedDatabase) => {
  const [replica] = (await database.status()).replicas;
  if (replica === undefined) throw new Error('there is no replica');
  return replica;
};
const recordPath = (): string => join(setting.remote('one').path, PROOF_RECORD_NAME);
const record = () => JSON.parse(readFileSync(recordPath(), 'utf8'));

/** Damages one page of the newest file in the middle, without touching its length. */
function damage(): string {
  const directory = join(setting.remote('one').path, 'ltx', '0');
  const name = readdirSync(directory).sort().at(-1) ?? '';
  const path = join(directory, name);
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length / 2);
  bytes[at] = (bytes[at] ?? 0) ^ 0xff;
  writeFileSync(path, bytes);
  return path;
}

test('a replica is proven by schedule, and a record of it is kept there', async () => {
  const database = await started();
  await insert();
  await settled(database);
  await prove();
  const { proof, txid, state } = await replicaOf(database);
  expect(proof).toMatchObject({ outcome: 'passed', txid, reasons: [], lastPassed: { txid } });
  expect(state).toBe('replicating');
  expect(record()).toMatchObject({
    version: 1,
    replica: 'one',
    latest: { outcome: 'passed', compared: true, tool: '1.2.3', page_set: { page_size: 4096, pages: expect.any(Number) } },
  });
  expect(setting.counts.get('proofs_passed')).toBe(1);
  expect(readdirSync(setting.settings().metaPath).filter((name) => name.startsWith('snapshot-') || name === 'verify')).toEqual([]);
});

test('a damaged file fails the proof: the replica is degraded everywhere, until a proof passes', async () => {
  const database = await started();
  await insert();
  await settled(database);
  await prove();
  const proven = (await replicaOf(database)).proof?.txid;
  await insert();
  await settled(database);
  const path = damage();
  await prove();
  const { proof, state, troubles } = await replicaOf(database);
  expect(state).toBe('degraded');
  expect(proof).toMatchObject({
    outcome: 'failed',
    reasons: [expect.stringMatching(/^A file is not what was written: .*\.$/)],
    lastPassed: { txid: proven },
  });
  expect(troubles).toMatchObject([{ of: 'proof', error: { code: 'PROOF_FAILED', hint: expect.stringContaining('verif') } }]);
  expect((await database.status()).error?.code).toBe('PROOF_FAILED');
  expect(setting.messages('error')).toContain('the verification of the replica failed');
  expect(await checkHealth([database])).toMatchObject({ status: 'failing', databases: [{ state: 'degraded', code: 'PROOF_FAILED' }] });
  const metrics = await textOf(new Metrics('1'), [database]);
  expect(metrics).toMatch(/litestream_replica_proof_outcome\{[^}]*outcome="failed"\} 1/);
  expect(metrics).toMatch(/litestream_replica_troubles\{[^}]*\} 1/);
  expect(metrics).toContain(`litestream_replica_proven_txid{db="${database.settings.path}",replica="one"} ${proven}`);
  expect(record()).toMatchObject({
    latest: { outcome: 'failed' },
    last_passed: { outcome: 'passed' },
    standing_failure: { outcome: 'failed' },
  });
  rmSync(path);
  const [replica] = database.replicas;
  if (replica !== undefined) await database.snapshot(replica);
  await prove();
  expect(await replicaOf(database)).toMatchObject({ state: 'replicating', proof: { outcome: 'passed' } });
  expect((await replicaOf(database)).troubles).toBeUndefined();
  expect(record().standing_failure).toBeUndefined();
});

test('what did not pass is verified again long before its next interval, less and less often, and soon after a snapshot', async () => {
  let snapshotAt: number | undefined;
  const facts = () => (snapshotAt === undefined ? {} : { maintenance: { snapshotAt } });
  setting.companions = [...setting.companions, () => ({ start: () => {}, stop: async () => {}, facts })];
  const database = await started(24 * 3_600_000);
  const tick = (): Promise<void> => setting.scheduler.run('repeated verification of app/one');
  const failures = () => setting.counts.get('proofs_failed') ?? 0;
  await insert();
  await settled(database);
  await tick();
  await prove();
  await tick();
  expect(setting.counts.get('proofs_passed')).toBe(1);
  await insert();
  await settled(database);
  const path = damage();
  await prove();
  expect(failures()).toBe(1);
  const seen: number[] = [];
  for (let n = 0; n < 7; n++) {
    await tick();
    seen.push(failures());
  }
  expect(seen).toEqual([2, 2, 3, 3, 3, 3, 4]);
  rmSync(path);
  const [replica] = database.replicas;
  if (replica !== undefined) await database.snapshot(replica);
  snapshotAt = Date.now() + 1;
  await tick();
  expect(await replicaOf(database)).toMatchObject({ state: 'replicating', proof: { outcome: 'passed' } });
});

test('a later process knows what was shown before, and a failure still stands', async () => {
  const first = await started();
  await insert();
  await settled(first);
  damage();
  await prove();
  await first.stop(STOP);
  const again = await setting.start(entry());
  await expect.poll(async () => (await replicaOf(again.database)).proof?.outcome).toBe('failed');
  await becomes(again.database, 'degraded');
});

test('a record that cannot be believed counts as none', async () => {
  mkdirSync(setting.remote('one').path, { recursive: true });
  writeFileSync(
    recordPath(),
    encodeProofRecord({
      replica: 'one',
      latest: { outcome: 'failed', at: Date.now() + 86_400_000, durationMs: 1, reasons: [], compared: false, tool: '9' },
    }),
  );
  const database = await started();
  await expect.poll(() => setting.messages('warn')).toContain('the proof record beside the replica cannot be believed and counts as none');
  expect((await replicaOf(database)).proof).toBeUndefined();
});

test('a database at rest is proven against what was compared before, without its engine', async () => {
  const database = await started();
  await insert();
  await settled(database);
  await prove();
  let asked = 0;
  const pageSums = database.pageSums.bind(database);
  database.pageSums = (directory) => {
    asked += 1;
    return pageSums(directory);
  };
  await prove();
  expect(asked).toBe(0);
  expect(record().latest).toMatchObject({ outcome: 'passed', compared: true });
  await insert();
  await settled(database);
  await prove();
  expect(asked).toBe(1);
});

test('a history that was begun anew and has come to the number that was proven is compared with the live pages', async () => {
  const first = await started();
  for (let n = 0; n < 3; n++) await insert();
  await settled(first);
  await prove();
  const proven = (await replicaOf(first)).proof?.txid;
  await first.stop(STOP);
  // As a person does who wants to begin anew: the record is no LTX file, and stays.
  rmSync(join(setting.remote('one').path, 'ltx'), { recursive: true });
  rmSync(setting.settings().metaPath, { recursive: true });
  const { database } = await setting.start(entry());
  await becomes(database, 'replicating');
  await settled(database);
  while (((await replicaOf(database)).txid ?? 0n) < (proven ?? 0n)) {
    await insert();
    await settled(database);
  }
  expect((await replicaOf(database)).txid).toBe(proven);
  await expect.poll(async () => (await replicaOf(database)).proof?.txid).toBe(proven);
  await prove();
  expect((await replicaOf(database)).proof).toMatchObject({ outcome: 'passed', txid: proven, reasons: [] });
  expect(record().latest).toMatchObject({ outcome: 'passed', compared: true });
});

test('a database that was brought back from an image is not compared with what was written after the image was made', async () => {
  const first = await started();
  await insert();
  await settled(first);
  await first.stop(STOP);
  await app.run((context) => context.closeAll());
  const { path, metaPath } = setting.settings();
  const image = setting.at('image');
  const sides = ['', '-wal'].filter((side) => existsSync(path + side));
  for (const side of sides) cpSync(path + side, image + side);
  cpSync(metaPath, `${image}-meta`, { recursive: true });
  const second = (await setting.start(entry())).database;
  await becomes(second, 'replicating');
  for (let n = 0; n < 5; n++) {
    await insert();
    await settled(second);
  }
  await second.stop(STOP);
  await app.run((context) => context.closeAll());
  for (const side of ['', '-wal', '-shm']) rmSync(path + side, { force: true });
  rmSync(metaPath, { recursive: true });
  for (const side of sides) cpSync(image + side, path + side);
  cpSync(`${image}-meta`, metaPath, { recursive: true });
  await insert();
  setting.remote('one').cut('list');
  const { database } = await setting.start(entry());
  // Without an answer it begins with what it has.
  await expect.poll(async () => (await database.status()).engine.state).toBe('replicating');
  await insert();
  await database.sync({ wait: false });
  const proving = prove();
  await new Promise((resolve) => setTimeout(resolve, 500));
  setting.remote('one').heal();
  await proving;
  expect(record().latest).toMatchObject({ outcome: 'passed', reasons: [] });
  await becomes(database, 'replicating');
  await prove();
  expect(record().latest).toMatchObject({ outcome: 'passed', compared: true });
}, 150_000);

test('a proven state that is still the newest one is verified every seventh interval only', async () => {
  const database = await started(60_000);
  await insert();
  await settled(database);
  await prove();
  await prove();
  expect(setting.counts.get('proofs_passed')).toBe(1);
  await insert();
  await settled(database);
  await prove();
  expect(setting.counts.get('proofs_passed')).toBe(2);
});

test('a replica that cannot be read is inconclusive, with the reason, and no trouble', async () => {
  const database = await started();
  await insert();
  await settled(database);
  rmSync(setting.remote('one').path, { recursive: true });
  writeFileSync(setting.remote('one').path, 'a file where the directory was');
  await prove();
  expect(await replicaOf(database)).toMatchObject({
    proof: { outcome: 'inconclusive', reasons: [expect.stringContaining('could not be verified')] },
  });
  expect(setting.counts.get('proofs_inconclusive')).toBe(1);
});

test('an outcome that cannot be kept beside the replica is known here all the same', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'litestream-proof-'));
  try {
    const replica = new Replica(new FileStore({ type: 'file', path: directory }), layoutFor('file'));
    replica.guardWrites(() => {
      throw new Error('somebody else holds the lease');
    });
    const ledger = new ProofLedgers(systemClock, silentLogger, '1').of(replica, 'one');
    const kept = await ledger.add(
      { outcome: 'passed', txid: 3n as never, at: Date.now(), durationMs: 1, reasons: [], compared: true, tool: '1' },
      { keep: true },
    );
    expect(kept).toBe(false);
    expect(ledger.facts().proof?.outcome).toBe('passed');
    // A replica that has less than was proven is another one now.
    expect(ledger.facts(2n as never).proof).toBeUndefined();
  } finally {
    rmSync(directory, { recursive: true });
  }
});
