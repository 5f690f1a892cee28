import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../src/base/clock.ts';
import { LitestreamError } from '../../../src/base/errors.ts';
import type { PageSums } from '../../../src/engine/database-engine.ts';
import { type VerifyRequest, type VerifyResult, type VerifyTools, verifyReplica } from '../../../src/engine/verify/verify.ts';
import { crc64 } from '../../../src/formats/kernel/oracle/crc64.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { randomFrom } from '../../support/random.ts';
import { encode, NaiveDatabase, store } from '../restore/ltx-files.ts';
import { openFileReplica, temporaryDirectory } from '../restore/setting.ts';

const PAGE_SIZE = 512;

/** TXIDs 1 to 4 at level 0, 5 to 6 merged at level 1. */
function setting() {
  const directory = temporaryDirectory();
  const root = join(directory, 'replica');
  const database = new NaiveDatabase(PAGE_SIZE, randomFrom(21));
  for (let txid = 1; txid <= 6; txid++) database.step(30);
  const put = (level: number, min: number, max: number) =>
    store(root, level, min, max, encode(PAGE_SIZE, min, max, database.range(min, max), max), max);
  for (let txid = 1; txid <= 4; txid++) put(0, txid, txid);
  put(1, 5, 6);
  /** Sums of the live database as the engine stores them, with some bytes of the database changed. */
  const sums = (txid: number, change: (file: Buffer) => void = () => {}): PageSums => {
    const file = database.file(txid);
    change(file);
    const commit = file.length / PAGE_SIZE;
    const path = join(directory, 'sums');
    const values = BigUint64Array.from({ length: commit }, (_, at) => crc64(0n, file.subarray(at * PAGE_SIZE, (at + 1) * PAGE_SIZE)));
    writeFileSync(path, new Uint8Array(values.buffer));
    return { path, txid: toTXID(txid), pageSize: PAGE_SIZE, commit };
  };
  return { directory, root, database, put, sums, scratch: join(directory, 'scratch') };
}

async function verify(
  root: string,
  request: Partial<VerifyRequest> & { readonly scratch: string },
  tools: Partial<VerifyTools> = {},
): Promise<VerifyResult> {
  const result = await verifyReplica(
    { target: { type: 'latest' }, integrity: 'quick', ...request },
    {
      source: await openFileReplica(root),
      clock: systemClock,
      checkIntegrity: async () => {},
      signal: new AbortController().signal,
      ...tools,
    },
  );
  return result;
}

const outcomes = (result: VerifyResult) => result.checks.map((check) => `${check.name} ${check.outcome}`).join(', ');
const ltx = (root: string, level: number, min: number, max = min) =>
  join(root, 'ltx', String(level), `${String(min).padStart(16, '0')}-${String(max).padStart(16, '0')}.ltx`);

function flip(path: string, at: number): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

describe('compared with the live database', () => {
  test('an equal replica passes', async () => {
    const { root, sums, scratch, database } = setting();
    const result = await verify(root, { sums: sums(6), scratch });
    expect(outcomes(result)).toBe('chain passed, checksums passed, integrity passed, pages passed');
    expect(result).toMatchObject({ outcome: 'passed', txid: 6n, filesRead: 5, pagesCompared: database.file(6).length / PAGE_SIZE });
    expect(result).not.toHaveProperty('reason');
    expect(readdirSync(scratch)).toEqual([]);
  });

  test('pages that differ fail and are named', async () => {
    const { root, sums, scratch } = setting();
    const change = (file: Buffer) => {
      file[3] = (file[3] ?? 0) ^ 1;
      file[PAGE_SIZE * 2] = (file[PAGE_SIZE * 2] ?? 0) ^ 1;
    };
    const result = await verify(root, { sums: sums(6, change), scratch });
    expect(result.outcome).toBe('failed');
    expect(outcomes(result)).toBe('chain passed, checksums passed, integrity passed, pages failed');
    expect(result.reason).toMatch(/^2 of \d+ pages differ from the live database: 1, 3$/);
  });

  test('another size fails', async () => {
    const { root, sums, scratch } = setting();
    const taken = sums(6);
    const result = await verify(root, { sums: { ...taken, commit: taken.commit + 1 }, scratch });
    expect(result).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('pages of 512 bytes') });
  });

  test('a replica that has not got there yet is inconclusive, but what it has is checked', async () => {
    const { root, sums, scratch, database } = setting();
    database.step(30);
    const result = await verify(root, { sums: sums(7), scratch });
    expect(outcomes(result)).toBe('chain passed, checksums passed, integrity passed, pages inconclusive');
    expect(result).toMatchObject({ outcome: 'inconclusive', txid: 6n, reason: expect.stringContaining('ends at TXID 0000000000000006') });
  });

  test('a transaction that was merged away is inconclusive', async () => {
    const { root, sums, scratch } = setting();
    const result = await verify(root, { sums: sums(5), scratch });
    expect(result).toMatchObject({ outcome: 'inconclusive', reason: expect.stringContaining('merged') });
  });

  test('a file that was missing from one listing, put while the directory was read, fails nothing', async () => {
    const { root, sums, scratch } = setting();
    const source = await openFileReplica(root);
    let listings = 0;
    const list: typeof source.list = async function* (level, options) {
      if (level === 0) listings++;
      for await (const file of source.list(level, options)) if (listings > 1 || file.minTXID !== 3n) yield file;
    };
    const open: typeof source.open = (file, options) => source.open(file, options);
    const contentSize: typeof source.contentSize = (file, options) => source.contentSize(file, options);
    const result = await verify(root, { sums: sums(6), scratch }, { source: { list, open, contentSize } });
    expect(result).toMatchObject({ outcome: 'passed', txid: 6n });
    expect(listings).toBe(2);
  });

  test('damage that SQLite finds in equal pages is the source of the damage itself', async () => {
    const { root, sums, scratch } = setting();
    const checkIntegrity = () => Promise.reject(new LitestreamError('INTEGRITY_FAILED', 'page 3 is never used'));
    const result = await verify(root, { sums: sums(6), scratch }, { checkIntegrity });
    expect(outcomes(result)).toBe('chain passed, checksums passed, integrity failed, pages passed');
    expect(result.reason).toContain('damaged itself');
  });

  test('what SQLite could not check here is said, and fails nothing', async () => {
    const { root, sums, scratch } = setting();
    const result = await verify(root, { sums: sums(6), scratch }, { checkIntegrity: async () => 'not checked: notes' });
    expect(result).toMatchObject({
      outcome: 'passed',
      checks: expect.arrayContaining([expect.objectContaining({ detail: 'quick; not checked: notes' })]),
    });
  });
});

describe('without a live database', () => {
  test('everything but the pages is checked, and counts', async () => {
    const { root, scratch } = setting();
    const result = await verify(root, { scratch });
    expect(outcomes(result)).toBe('chain passed, checksums passed, integrity passed, pages inconclusive');
    expect(result.outcome).toBe('passed');
  });

  test('a gap fails the chain', async () => {
    const { root, scratch } = setting();
    rmSync(ltx(root, 0, 3));
    const result = await verify(root, { scratch });
    expect(result).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('0000000000000003') });
    expect(outcomes(result)).toBe('chain failed, checksums inconclusive, integrity inconclusive, pages inconclusive');
  });

  test('an empty replica fails the chain', async () => {
    const { directory, scratch } = setting();
    const empty = join(directory, 'empty');
    expect((await verify(empty, { scratch })).outcome).toBe('failed');
  });

  test('a damaged file fails the checksums, even one none of whose pages are wanted', async () => {
    const { root, scratch, database } = setting();
    const state = database.states[6];
    if (state === undefined) throw new Error('no state');
    store(root, 0, 7, 7, encode(PAGE_SIZE, 7, 7, state, 7), 7);
    expect((await verify(root, { scratch })).outcome).toBe('passed');
    flip(ltx(root, 0, 2), 90);
    const result = await verify(root, { scratch });
    expect(outcomes(result)).toBe('chain passed, checksums failed, integrity inconclusive, pages inconclusive');
    expect(result.reason).toContain('level 0 file 0000000000000002');
    expect(readdirSync(scratch)).toEqual([]);
  });

  test('H10: files from before a change of page size have only to be whole', async () => {
    const { root, scratch } = setting();
    const page = (fill: number) => new Uint8Array(2 * PAGE_SIZE).fill(fill);
    const pages = new Map([1, 2, 3].map((pgno) => [pgno, page(pgno)]));
    store(root, 0, 7, 7, encode(2 * PAGE_SIZE, 7, 7, { commit: 3, pages }, 7), 7);
    let rebuilt = Buffer.alloc(0);
    const checkIntegrity = async (database: string) => {
      rebuilt = readFileSync(database);
      return undefined;
    };
    const result = await verify(root, { scratch }, { checkIntegrity });
    expect(result).toMatchObject({ outcome: 'passed', txid: 7n, filesRead: 6, pageSet: { pageSize: 2 * PAGE_SIZE, pages: 3 } });
    expect(rebuilt.equals(Buffer.concat([page(1), page(2), page(3)]))).toBe(true);
    flip(ltx(root, 0, 2), 90);
    expect(await verify(root, { scratch })).toMatchObject({ outcome: 'failed', reason: expect.stringContaining('0000000000000002') });
  });

  test('a TXID that cannot be restored is the caller’s mistake', async () => {
    const { root, scratch } = setting();
    await expect(verify(root, { scratch, target: { type: 'txid', txid: toTXID(5) } })).rejects.toMatchObject({ code: 'TX_NOT_AVAILABLE' });
  });

  test('a store that cannot be read is no verdict', async () => {
    const { root, scratch } = setting();
    const source = await openFileReplica(root);
    const broken = {
      list: source.list.bind(source),
      open: () => Promise.reject(new LitestreamError('STORAGE_UNAVAILABLE', 'no route')),
      contentSize: async () => 0,
    };
    await expect(verify(root, { scratch }, { source: broken })).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
    expect(readdirSync(scratch)).toEqual([]);
  });
});

test('cancelling passes the reason on and removes the scratch', async () => {
  const { root, scratch, sums } = setting();
  const abort = new AbortController();
  const reason = new Error('enough');
  const onProgress = () => abort.abort(reason);
  await expect(verify(root, { scratch, sums: sums(6) }, { signal: abort.signal, onProgress })).rejects.toBe(reason);
  expect(readdirSync(scratch)).toEqual([]);
});
