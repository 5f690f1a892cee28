import { mkdirSync, readdirSync, readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { describe, expect, test } from 'vitest';
import { listCatalogue } from '../../../src/engine/restore/catalogue.ts';
import { coverage, restorablePoints } from '../../../src/engine/restore/points.ts';
import { parseTXID } from '../../../src/formats/ltx/txid.ts';
import { runJobHere } from '../../../src/workers/job-kinds.ts';
import { unpackTarGz } from '../../support/tar.ts';
import { copyToMemory, openFileReplica, restore, temporaryDirectory } from './setting.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures/v5/', import.meta.url));

interface Expected {
  readonly txid: string;
  readonly counts: string;
  /** When the original read this state back. */
  readonly at: string;
}

const expectations: Expected[] = readFileSync(join(FIXTURES, 'vfs-0.5.17.expected.tsv'), 'utf8')
  .trim()
  .split('\n')
  .map((line) => {
    const [txid = '', counts = '', at = ''] = line.split('\t');
    return { txid, counts, at };
  });

function unpack(): string {
  const directory = temporaryDirectory();
  unpackTarGz(join(FIXTURES, 'vfs-0.5.17.tar.gz'), directory);
  return join(directory, 'replica');
}

/** Rows, sum of lengths and largest id of table `t`, after SQLite has checked the file. */
function query(path: string): string {
  const db = new Database(path);
  try {
    expect(db.pragma('quick_check', { simple: true })).toBe('ok');
    const values = db.prepare('SELECT count(*), coalesce(sum(length(body)), 0), coalesce(max(id), 0) FROM t').raw().get() as number[];
    return values.join('|');
  } finally {
    db.close();
  }
}

describe('a replica written by the original (0.5.17)', () => {
  test('restores at each TXID to the state the original read back', async () => {
    const replica = unpack();
    for (const { txid, counts } of expectations) {
      const output = join(temporaryDirectory(), 'out.db');
      const store = { type: 'file', path: replica } as const;
      const result = await runJobHere('restore', { store, target: { type: 'txid', txid: parseTXID(txid) }, output, integrity: 'full' });
      expect(result).toMatchObject({ txid: parseTXID(txid), integrity: 'ok' });
      expect(readdirSync(join(output, '..'))).toEqual(['out.db']);
      expect(query(output), txid).toBe(counts);
    }
  });

  test('restores to the moment after each of its files, from a store without local files too', async () => {
    const local = await openFileReplica(unpack());
    const directory = temporaryDirectory();
    for (const [name, source] of Object.entries({ local, remote: await copyToMemory(local) })) {
      const points = restorablePoints(await listCatalogue(source, { exactTimes: true }));
      for (const [at, { time }] of points.entries()) {
        // The archive keeps whole seconds: the last of those that share one is meant.
        const txid = points.findLast((point) => point.time === time)?.txid;
        const output = join(directory, `${at}-${name}.db`);
        const result = await restore(source, { output, target: { type: 'timestamp', timestamp: time + 1 } });
        expect(result).toMatchObject({ txid, time });
        expect(query(output)).toBe(expectations[Number(txid) - 1]?.counts);
      }
    }
  });

  test('H7: restores to each moment the original was asked at, even from a copy that lost its modification times', async () => {
    const replica = unpack();
    const level = join(replica, 'ltx', '0');
    for (const name of readdirSync(level)) utimesSync(join(level, name), new Date(), new Date());
    const source = await openFileReplica(replica);
    for (const { txid, counts, at } of expectations) {
      const output = join(temporaryDirectory(), 'out.db');
      const result = await restore(source, { output, target: { type: 'timestamp', timestamp: Date.parse(at) } });
      expect(result).toMatchObject({ txid: parseTXID(txid) });
      expect(query(output), at).toBe(counts);
    }
  });

  test('has every transaction since the first', async () => {
    const listing = await listCatalogue(await openFileReplica(unpack()));
    expect(coverage(listing)).toMatchObject({ oldest: { txid: 1n }, newest: { txid: 9n }, gaps: [] });
  });

  test('passes verification', async () => {
    const scratch = join(temporaryDirectory(), 'scratch');
    mkdirSync(scratch);
    const store = { type: 'file', path: unpack() } as const;
    const result = await runJobHere('verify', { store, target: { type: 'latest' }, scratch, integrity: 'full' });
    expect(result).toMatchObject({ outcome: 'passed', txid: 9n, filesRead: 9 });
    expect(readdirSync(scratch)).toEqual([]);
  });
});
