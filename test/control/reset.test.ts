/** Who may reset what, and what a reset tells. */

import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { OwnerLock } from '../../src/sqlite/owner-lock.ts';
import { ask, by, codeOf, makeSetting, model, person, reader } from './setting.ts';

type Made = Awaited<ReturnType<typeof makeSetting>>;

/** A database file with two local files and a mark. */
function leaveState({ entry }: Made): string {
  const { path, metaPath } = entry.settings;
  writeFileSync(path, 'a database');
  rmSync(metaPath, { recursive: true, force: true });
  mkdirSync(join(metaPath, 'ltx', '0'), { recursive: true });
  for (const txid of [4, 5]) {
    const hex = txid.toString(16).padStart(16, '0');
    writeFileSync(join(metaPath, 'ltx', '0', `${hex}-${hex}.ltx`), 'x'.repeat(100));
  }
  writeFileSync(join(metaPath, 'uploaded-file.json'), '{}');
  return metaPath;
}

test('readers and callers without the scope may not', async () => {
  const made = await makeSetting({ attached: true });
  leaveState(made);
  expect(await codeOf(made.control.call('reset', { path: 'app' }, by(reader)))).toBe('READ_ONLY');
  expect(await codeOf(made.control.call('reset', { path: 'app' }, by({ ...model, scopes: ['read', 'data', 'operate'] })))).toBe(
    'SCOPE_REQUIRED',
  );
});

test('a running daemon does it itself', async () => {
  const reasons: string[] = [];
  const made = await makeSetting({
    attached: true,
    handle: {
      reset: async (reason) => {
        reasons.push(reason);
        return { files: 2, bytes: 200, keptIn: '/somewhere', floor: toTXID(41) };
      },
    },
  });
  const metaPath = leaveState(made);
  expect(await ask(made.control, 'reset', { path: 'app' }, by(person))).toMatchObject({
    outcome: 'reset',
    files: 2,
    bytes: 200,
    kept_in: '/somewhere',
    next_txid: '000000000000002a',
  });
  expect(reasons).toEqual(['asked for by cli:me']);
  expect(readdirSync(join(metaPath, 'ltx', '0'))).toHaveLength(2);
});

test('a dry run lists and changes nothing', async () => {
  const made = await makeSetting({ attached: false });
  const metaPath = leaveState(made);
  expect(await ask(made.control, 'reset', { path: 'app', dry_run: true }, by(person))).toMatchObject({
    outcome: 'dry_run',
    files: 2,
    bytes: 200,
    names: ['0/0000000000000004-0000000000000004.ltx', '0/0000000000000005-0000000000000005.ltx'],
  });
  expect(readdirSync(join(metaPath, 'ltx', '0'))).toHaveLength(2);
});

test('without a daemon the files are moved, the marks forgotten, and the lock is free again', async () => {
  const made = await makeSetting({ attached: false });
  const metaPath = leaveState(made);
  const answer = await ask(made.control, 'reset', { path: 'app' }, by(person));
  expect(answer).toMatchObject({ outcome: 'reset', files: 2, bytes: 200 });
  expect(answer.kept_in).toMatch(/aside\/reset-\d{8}T\d{6}\.\d{3}Z-0000000000000005$/);
  expect(readdirSync(join(answer.kept_in ?? '', 'ltx', '0'))).toHaveLength(2);
  expect(existsSync(join(metaPath, 'ltx'))).toBe(false);
  expect(existsSync(join(metaPath, 'uploaded-file.json'))).toBe(false);
  OwnerLock.acquire(metaPath, { pid: process.pid, startedAt: 0 }).release();
});

test('an owner that nobody reaches is DAEMON_UNREACHABLE, and nothing is touched', async () => {
  const made = await makeSetting({ attached: false });
  const metaPath = leaveState(made);
  const owner = OwnerLock.acquire(metaPath, { pid: process.pid, startedAt: 0 });
  try {
    expect(await codeOf(made.control.call('reset', { path: 'app' }, by(person)))).toBe('DAEMON_UNREACHABLE');
    expect(readdirSync(join(metaPath, 'ltx', '0'))).toHaveLength(2);
    expect(existsSync(join(metaPath, 'uploaded-file.json'))).toBe(true);
  } finally {
    owner.release();
  }
});

test('a missing database is an error, a missing metadata directory nothing to reset', async () => {
  const made = await makeSetting({ attached: false });
  rmSync(made.entry.settings.path, { force: true });
  expect(await codeOf(made.control.call('reset', { path: 'app' }, by(person)))).toBe('DB_NOT_FOUND');
  writeFileSync(made.entry.settings.path, 'a database');
  rmSync(made.entry.settings.metaPath, { recursive: true, force: true });
  expect(await ask(made.control, 'reset', { path: 'app' }, by(person))).toMatchObject({ outcome: 'nothing', files: 0 });
});
