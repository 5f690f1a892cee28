/** Restores from two and three replicas of one database, some of them damaged or of another history. */

import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import type { RestoreAlternates } from '../../../src/engine/jobs.ts';
import type { RestoreResult } from '../../../src/engine/restore/restore.ts';
import { formatLTXName } from '../../../src/formats/ltx/filename.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';
import { runJobHere } from '../../../src/workers/job-kinds.ts';
import { constantPage, encode, header } from '../../support/ltx-files.ts';
import { temporaryDirectory } from './setting.ts';

let directory: string;
beforeEach(() => {
  directory = temporaryDirectory();
});

const PAGES = 12;
const at = (txid: number) => 1_700_000_000_000 + txid * 1000;

/** Page contents of the state at `txid` of a history. */
const pageOf = (pgno: number, txid: number, salt: number) => constantPage((pgno * 31 + txid * 7 + salt) & 0xff);

/** Transaction `txid` changes page 1 and one other. */
const changed = (txid: number): number[] => [1, 2 + (txid % (PAGES - 1))];

function file(min: number, max: number, salt = 0, full = min === 1): Buffer {
  const newest = new Map<number, number>();
  if (full) for (let pgno = 1; pgno <= PAGES; pgno += 1) newest.set(pgno, lastChange(pgno, max));
  else for (let txid = min; txid <= max; txid += 1) for (const pgno of changed(txid)) newest.set(pgno, txid);
  const pages = [...newest].sort(([a], [b]) => a - b).map(([pgno, txid]) => [pgno, pageOf(pgno, txid, txid < 2 ? 0 : salt)] as const);
  return encode(header(min, max, PAGES, { timestamp: at(max) + salt }), pages);
}

function lastChange(pgno: number, txid: number): number {
  for (let at_ = txid; at_ > 1; at_ -= 1) if (changed(at_).includes(pgno)) return at_;
  return 1;
}

const image = (txid: number, salt = 0): Buffer =>
  Buffer.concat(
    Array.from({ length: PAGES }, (_, i) => {
      const last = lastChange(i + 1, txid);
      return pageOf(i + 1, last, last < 2 ? 0 : salt);
    }),
  );

const place = (name: string, level: number, min: number, max: number): string =>
  join(directory, name, 'ltx', String(level), formatLTXName({ minTXID: toTXID(min), maxTXID: toTXID(max) }));

function put(name: string, level: number, min: number, max: number, salt = 0): void {
  mkdirSync(join(directory, name, 'ltx', String(level)), { recursive: true });
  writeFileSync(place(name, level, min, max), file(min, max, salt));
}

function fill(name: string, last: number, salt = 0): void {
  for (let txid = 1; txid <= last; txid += 1) put(name, 0, txid, txid, salt);
}

const store = (name: string) => ({ type: 'file', path: join(directory, name) }) as const;

function restore(names: readonly string[], more: Partial<RestoreAlternates> & { txid?: number } = {}): Promise<RestoreResult> {
  const [first = '', ...others] = names;
  const { txid, ...alternates } = more;
  return runJobHere('restore', {
    name: first,
    store: store(first),
    alternates: others.map((name) => ({ name, store: store(name) })),
    target: txid === undefined ? { type: 'latest' } : { type: 'txid', txid: toTXID(txid) },
    output: join(directory, 'out.db'),
    integrity: 'none',
    ...alternates,
  });
}

const output = (): Buffer => readFileSync(join(directory, 'out.db'));

function flip(path: string): void {
  const bytes = readFileSync(path);
  // In the page index: in compressed bytes of one value a flip may leave the page as it was.
  const where = bytes.length - 20;
  bytes[where] = (bytes[where] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

const DAMAGES: [string, (path: string) => void][] = [
  ['a flipped bit', flip],
  ['a cut file', (path) => truncateSync(path, readFileSync(path).length - 40)],
];

describe.each(DAMAGES)('%s', (_, damage) => {
  test.each([2, 5, 8])('in file %i is made good from another replica, and said', async (txid) => {
    fill('a', 8);
    fill('b', 8);
    damage(place('a', 0, txid, txid));
    const { sources, txid: reached } = await restore(['a', 'b']);
    expect(output().equals(image(8))).toBe(true);
    expect(reached).toBe(toTXID(8));
    expect(sources?.discarded).toMatchObject([{ from: 'a' }]);
    expect(sources?.taken.find(({ from }) => from === 'b')?.files).toBeGreaterThanOrEqual(1);
  });

  test('at the only replica is an error that names the file', async () => {
    fill('a', 8);
    damage(place('a', 0, 5, 5));
    await expect(restore(['a'])).rejects.toThrow(/level 0 file 0000000000000005-0000000000000005/);
  });

  test('at the only replica is passed by where another file there covers it', async () => {
    fill('a', 8);
    put('a', 1, 4, 6);
    damage(place('a', 1, 4, 6));
    damage(place('a', 0, 5, 5));
    await expect(restore(['a'])).rejects.toThrow(/level [01] file/);
    put('a', 2, 3, 6);
    await restore(['a']);
    expect(output().equals(image(8))).toBe(true);
  });

  test('in both replicas, in different files, leaves the state restorable', async () => {
    fill('a', 8);
    fill('b', 8);
    damage(place('a', 0, 3, 3));
    damage(place('b', 0, 6, 6));
    await restore(['a', 'b']);
    expect(output().equals(image(8))).toBe(true);
  });

  test('is never made good from another history', async () => {
    fill('a', 8);
    fill('b', 8, 9);
    damage(place('a', 0, 5, 5));
    await expect(restore(['a', 'b'])).rejects.toThrow(/one history|level 0 file/);
    // Nor where that history has the state whole.
    put('b', 9, 1, 8, 9);
    await expect(restore(['a', 'b'])).rejects.toMatchObject({ hint: expect.stringMatching(/one history/) });
    expect(readdirSync(directory).filter((name) => name.startsWith('out.db'))).toEqual([]);
  });

  test('of the newest file, when the newest state of the other replica is another one, is not hidden', async () => {
    fill('a', 8);
    fill('b', 7);
    damage(place('a', 0, 8, 8));
    await expect(restore(['a', 'b'])).rejects.toThrow(/level 0 file 0000000000000008/);
  });
});

test('files that are missing are taken from another replica', async () => {
  fill('a', 8);
  fill('b', 8);
  for (const txid of [3, 4]) rmSync(place('a', 0, txid, txid));
  for (const txid of [1, 7]) rmSync(place('b', 0, txid, txid));
  const { sources } = await restore(['a', 'b']);
  expect(output().equals(image(8))).toBe(true);
  expect(sources?.taken.map(({ from }) => from)).toEqual(['a', 'b']);
});

test('a state that only all together hold is planned over all of them, with merged files in between', async () => {
  put('a', 0, 1, 1);
  put('a', 1, 2, 4);
  put('b', 0, 4, 4);
  put('b', 0, 5, 5);
  put('a', 0, 4, 4);
  put('c', 0, 5, 5);
  put('c', 0, 6, 6);
  const { sources, txid } = await restore(['a', 'b', 'c'], { combine: true });
  expect(txid).toBe(toTXID(6));
  expect(output().equals(image(6))).toBe(true);
  expect(sources?.taken.map(({ from }) => from)).toEqual(['a', 'b', 'c']);
});

test('what cannot be compared is not put together', async () => {
  put('a', 0, 1, 1);
  put('a', 1, 2, 4);
  put('b', 0, 5, 5);
  put('b', 0, 6, 6);
  await expect(restore(['a', 'b'], { combine: true })).rejects.toThrow(/nothing shows that/);
});

test('a full file after the seam proves nothing about the state before it', async () => {
  put('a', 0, 1, 1);
  put('a', 0, 2, 2);
  mkdirSync(join(directory, 'b', 'ltx', '0'), { recursive: true });
  for (const name of ['a', 'b']) writeFileSync(place(name, 0, 4, 4), file(4, 4, 0, true));
  put('b', 0, 3, 3, 9);
  await expect(restore(['a', 'b'], { combine: true, txid: 3 })).rejects.toThrow(/nothing shows that/);
});

test('a file that goes on in the WAL where the other replica stops proves that it follows', async () => {
  const inWAL = (txid: number, offset: number, salt1: number): Buffer => {
    const pages = changed(txid).map((pgno) => [pgno, pageOf(pgno, txid, 0)] as const);
    return encode(
      header(txid, txid, PAGES, { timestamp: at(txid), walOffset: offset, walSize: 1000, walSalt1: salt1, walSalt2: 7 }),
      pages,
    );
  };
  put('a', 0, 1, 1);
  writeFileSync(place('a', 0, 2, 2), inWAL(2, 32, 99));
  mkdirSync(join(directory, 'b', 'ltx', '0'), { recursive: true });
  writeFileSync(place('b', 0, 3, 3), inWAL(3, 1032, 99));
  await restore(['a', 'b'], { combine: true });
  expect(output().equals(image(3))).toBe(true);
  rmSync(join(directory, 'out.db'));
  // Another WAL, or another place in it, proves nothing.
  for (const other of [inWAL(3, 1032, 98), inWAL(3, 1000, 99)]) {
    writeFileSync(place('b', 0, 3, 3), other);
    await expect(restore(['a', 'b'], { combine: true })).rejects.toThrow(/nothing shows that/);
  }
});

test('merged increments after the seam prove the state before them', async () => {
  put('a', 0, 1, 1);
  put('a', 0, 2, 2);
  put('b', 0, 2, 2);
  put('b', 0, 3, 3);
  await expect(restore(['a', 'b'], { txid: 3 })).rejects.toThrow(/nothing shows that/);
  for (const name of ['a', 'b']) put(name, 1, 4, 6);
  await restore(['a', 'b'], { txid: 3 });
  expect(output().equals(image(3))).toBe(true);
});

test('a replica that cannot be read is left out of what is combined', async () => {
  fill('a', 4);
  rmSync(place('a', 0, 3, 3));
  fill('b', 4);
  cpSync(join(directory, 'b'), join(directory, 'c'), { recursive: true });
  rmSync(join(directory, 'b'), { recursive: true });
  writeFileSync(join(directory, 'b'), 'not a directory');
  const { sources } = await restore(['a', 'b', 'c']);
  expect(output().equals(image(4))).toBe(true);
  expect(sources?.lost.map(({ from }) => from)).toEqual(['b']);
});
