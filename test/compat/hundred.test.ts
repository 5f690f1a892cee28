/** A replica of the original, continued by a hundred transactions: every moment of both is still there, in one uninterrupted run. */

import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listCatalogue } from '../../src/engine/restore/catalogue.ts';
import { fileRuns, restorablePoints } from '../../src/engine/restore/points.ts';
import type { RestoreTarget } from '../../src/engine/restore/target.ts';
import { LATEST } from '../../src/engine/restore/target.ts';
import { parseTXID, type TXID } from '../../src/formats/ltx/txid.ts';
import { openReplica } from '../../src/replica/open.ts';
import { runJobHere } from '../../src/workers/job-kinds.ts';
import { becomes, Setting, settled } from '../service/setting.ts';
import type { App } from '../support/app-process.ts';
import { unpackTarGz } from '../support/tar.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures/v5/', import.meta.url));
const COUNTS = 'SELECT count(*) AS n, coalesce(sum(length(body)), 0) AS bytes, coalesce(max(id), 0) AS newest FROM t';
const TRANSACTIONS = 100;

let setting: Setting;
beforeEach(() => {
  setting = new Setting();
});
afterEach(() => setting.end());

/** TXID to counts, as the original read them back. */
const expectations = new Map(
  readFileSync(join(FIXTURES, 'vfs-0.5.17.expected.tsv'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split('\t'))
    .map(([txid = '', counts = '']) => [parseTXID(txid), counts] as const),
);

async function countsOf(app: App, path: string): Promise<string> {
  const rows = await app.run(
    (context, [file, sql]: readonly [string, string]) => {
      const db = context.open(file, file);
      try {
        return db.prepare(sql).all();
      } finally {
        context.close(file);
      }
    },
    [path, COUNTS] as const,
  );
  const [row] = rows as { readonly n: number; readonly bytes: number; readonly newest: number }[];
  return `${row?.n}|${row?.bytes}|${row?.newest}`;
}

test('after 100 more transactions every old and new moment restores, by TXID and by time, and the listing is one run', async () => {
  const { path: replicaPath } = setting.remote('one');
  const unpacked = setting.at('unpacked');
  mkdirSync(unpacked);
  unpackTarGz(join(FIXTURES, 'vfs-0.5.17.tar.gz'), unpacked);
  renameSync(join(unpacked, 'replica'), replicaPath);
  const store = { type: 'file', path: replicaPath } as const;
  await runJobHere('restore', { store, target: LATEST, output: setting.at('app.db'), integrity: 'full' });

  const app = await setting.application();
  const { database } = await setting.start();
  await becomes(database, 'replicating');
  const moments = new Map<TXID, string>(expectations);
  await settled(database);
  for (let i = 0; i < TRANSACTIONS; i++) {
    await app.exec(i % 7 === 6 ? `DELETE FROM t WHERE id % 11 = ${i % 11}` : `INSERT INTO t (body) VALUES ('${'x'.repeat(i * 13)}')`);
    const { after } = await database.sync({ wait: true });
    moments.set(after, await countsOf(app, setting.at('app.db')));
  }
  const newest = [...moments.keys()].reduce((a, b) => (a > b ? a : b));
  expect(moments.size).toBe(expectations.size + TRANSACTIONS);

  const replica = await openReplica(store);
  const catalogue = await listCatalogue(replica, { exactTimes: true });
  const level0 = (await setting.remote('one').txids()).map(BigInt);
  expect(level0).toEqual(level0.map((_, i) => BigInt(i + 1)));
  expect(level0.at(-1)).toBe(newest);
  expect(fileRuns(catalogue)).toHaveLength(1);

  const points = restorablePoints(catalogue);
  const check = async (target: RestoreTarget, txid: TXID): Promise<void> => {
    const output = setting.at('out', `${target.type}-${txid}.db`);
    expect(await runJobHere('restore', { store, target, output, integrity: 'quick' })).toMatchObject({ txid });
    const expected = moments.get(txid);
    if (expected !== undefined) expect(await countsOf(app, output), `TXID ${txid} by ${target.type}`).toBe(expected);
  };
  mkdirSync(setting.at('out'));
  for (const txid of moments.keys()) await check({ type: 'txid', txid }, txid);
  for (const { time } of points) {
    const last = points.findLast((point) => point.time === time);
    if (last !== undefined) await check({ type: 'timestamp', timestamp: time + 1 }, last.txid);
  }
  await replica.close();
}, 400_000);
