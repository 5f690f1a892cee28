import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { errorToData, LitestreamError } from '../../src/base/errors.ts';
import { type FollowFlags, runFollow } from '../../src/cli/follow.ts';
import type { FollowNote } from '../../src/engine/follow/request.ts';
import { toTXID } from '../../src/formats/ltx/txid.ts';
import { FakeDoor } from './fake-door.ts';

const APPLIED = { time: 1_772_366_400_000, files: 1, bytes: 300, pages: 2, durationMs: 4.4 };
const failing = (code: 'STORAGE_UNAVAILABLE' | 'LTX_GAP'): FollowNote => ({
  type: 'failing',
  error: errorToData(new LitestreamError(code, `no ${code}`)),
  retryInMs: 1000,
});
const NOTES: readonly FollowNote[] = [
  { type: 'restored', txid: toTXID(1), ...APPLIED },
  { type: 'current', txid: toTXID(1) },
  { type: 'applied', from: toTXID(1), txid: toTXID(2), ...APPLIED },
  { type: 'current', txid: toTXID(2) },
  failing('STORAGE_UNAVAILABLE'),
  failing('STORAGE_UNAVAILABLE'),
  failing('LTX_GAP'),
  { type: 'rebased', from: toTXID(2), reason: 'pruned', txid: toTXID(9), ...APPLIED },
  { type: 'current', txid: toTXID(9) },
];

/** Follows `notes`, then until SIGTERM or the end. */
async function run(values: FollowFlags, notes: readonly FollowNote[], end?: unknown) {
  const signals = new EventEmitter();
  const wishes: unknown[] = [];
  const door = new FakeDoor({
    follow: async (wish, { signal, onNote }) => {
      wishes.push(wish);
      for (const note of notes) onNote(note);
      if (end !== undefined) throw end;
      setImmediate(() => signals.emit('SIGTERM'));
      return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    },
  });
  const flags = { f: true, o: '/srv/copy.db', ...values };
  const status = await runFollow(flags, 'none', ['file:///srv/backups/app'], door, signals).catch((error: unknown) => error);
  return { status, out: door.out, err: door.err, wish: wishes[0] };
}

test('in text, a line is said when something is different, and a signal ends it with status 0', async () => {
  const { status, out, err, wish } = await run({}, NOTES);
  expect(status).toBe(0);
  expect(out).toBe('');
  expect(err.split('\n')).toEqual([
    expect.stringMatching(/^Restored \/srv\/copy\.db to 0000000000000001 /),
    '/srv/copy.db is up to date at 0000000000000001; following file:///srv/backups/app',
    expect.stringContaining('STORAGE_UNAVAILABLE'),
    expect.stringContaining('LTX_GAP'),
    expect.stringMatching(/^Brought \/srv\/copy\.db to 0000000000000009 .*\(pruned\)/),
    '/srv/copy.db is up to date at 0000000000000009; following file:///srv/backups/app',
    '',
  ]);
  expect(wish).toMatchObject({ output: '/srv/copy.db', intervalMs: 1000, integrity: 'none', ifAbsent: false });
});

test('with -json each change is a line on stdout, and troubles are on stderr', async () => {
  const { out, err } = await run({ json: true, 'follow-interval': '250ms' }, NOTES);
  expect(
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { event: 'restored', db_path: '/srv/copy.db', txid: '0000000000000001', time: '2026-03-01T12:00:00.000Z', ...counted() },
    expect.objectContaining({ event: 'applied', from_txid: '0000000000000001', txid: '0000000000000002' }),
    expect.objectContaining({ event: 'rebased', from_txid: '0000000000000002', txid: '0000000000000009', reason: 'pruned' }),
  ]);
  expect(err.match(/Warning/g)).toHaveLength(2);
});

const counted = () => ({ files: 1, bytes: 300, pages: 2, duration_ms: 4 });

test('an empty replica is an error, unless -if-replica-exists says that it may be', async () => {
  const error = new LitestreamError('NO_SNAPSHOT', 'planning a restore: the replica holds no files');
  expect((await run({}, [], error)).status).toBe(error);
  expect(await run({ 'if-replica-exists': true }, [], error)).toMatchObject({ status: 0, err: expect.stringContaining('Nothing to do') });
});

test('an interval of zero or less is the default', async () => {
  for (const interval of ['0', '-5s']) expect((await run({ 'follow-interval': interval }, [])).wish).toMatchObject({ intervalMs: 1000 });
});
