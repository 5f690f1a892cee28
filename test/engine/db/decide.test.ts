import { describe, expect, test } from 'vitest';
import type { Cursor } from '../../../src/engine/db/cursor.ts';
import { type Decision, type DecisionInput, decide } from '../../../src/engine/db/decide.ts';
import { toTXID } from '../../../src/formats/ltx/txid.ts';

const PAGE = 4096;
const FRAME = PAGE + 24;
const at = (frames: number): number => 32 + frames * FRAME;

const OURS = { salt1: 7, salt2: 100 };
const RESTARTED = { salt1: 8, salt2: 200 };

const cursor = (change: Partial<Cursor> = {}): Cursor => ({
  txid: toTXID(5),
  timestamp: 1,
  pageSize: PAGE,
  commit: 10,
  walOffset: at(2),
  walSize: 3 * FRAME,
  ...OURS,
  checksum: [1, 2],
  ...change,
});

/** A running engine whose newest file ends at frame 5; two more frames are committed. */
const running = (change: Partial<DecisionInput> = {}): DecisionInput => ({
  cursor: cursor(),
  startup: false,
  sealed: false,
  pageSize: PAGE,
  wal: { header: OURS, end: at(7), fileSize: at(7) },
  lastFrame: 'intact',
  ...change,
});

const wal = (header: DecisionInput['wal']['header'], frames: number, fileFrames = frames): DecisionInput['wal'] => ({
  header,
  end: at(frames),
  fileSize: header === undefined ? 0 : at(fileFrames),
});

const NONE: Decision = { kind: 'none' };
const incremental = (from: number): Decision => ({ kind: 'incremental', from });

function expectFull(input: DecisionInput, reason: RegExp): void {
  const decision = decide(input);
  expect(decision).toMatchObject({ kind: 'full', from: 32 });
  expect(decision.kind === 'full' && decision.reason).toMatch(reason);
}

describe('the rows of docs/engine.md, Where do we continue', () => {
  test('without a local file everything is written', () => {
    expectFull(running({ cursor: undefined }), /first file/);
    expectFull(running({ cursor: undefined, startup: true }), /first file/);
  });

  test('a WAL that is gone continues only in the sealed state, where its end is waited for', () => {
    expect(decide(running({ sealed: true, wal: wal(undefined, 0) }))).toEqual(NONE);
    expect(decide(running({ sealed: true, wal: wal(RESTARTED, 1) }))).toEqual(incremental(32));
  });

  test('a WAL shorter than what was captured means a full file', () => {
    expectFull(running({ wal: wal(OURS, 3) }), /shorter/);
    expectFull(running({ wal: wal(undefined, 0) }), /truncated by another process/);
    expectFull(running({ startup: true, wal: wal(OURS, 3) }), /shorter/);
    expectFull(running({ startup: true, wal: wal(undefined, 0) }), /removed while not running/);
  });

  test('nothing captured yet and equal salts continue at the first frame (row 11)', () => {
    const empty = cursor({ walOffset: 32, walSize: 0, checksum: undefined });
    expect(decide(running({ cursor: empty, lastFrame: 'unknown' }))).toEqual(incremental(32));
    expect(decide(running({ cursor: empty, lastFrame: 'unknown', wal: wal(OURS, 0) }))).toEqual(NONE);
    expect(decide(running({ cursor: empty, lastFrame: 'unknown', startup: true }))).toEqual(incremental(32));
  });

  test('nothing captured yet and other salts mean a full file (row 11)', () => {
    const empty = cursor({ walOffset: 32, walSize: 0, checksum: undefined });
    expectFull(running({ cursor: empty, lastFrame: 'unknown', wal: wal(RESTARTED, 2) }), /restarted/);
  });

  test('one captured frame and equal salts continue behind it', () => {
    const one = cursor({ walOffset: 32, walSize: FRAME });
    expect(decide(running({ cursor: one }))).toEqual(incremental(at(1)));
  });

  test('one captured frame and other salts mean a full file', () => {
    const one = cursor({ walOffset: 32, walSize: FRAME });
    expectFull(running({ cursor: one, wal: wal(RESTARTED, 2) }), /restarted/);
  });

  test('H8: a file without a WAL position means a full file, not an error for ever', () => {
    expectFull(running({ cursor: cursor({ walOffset: 0, walSize: 0, salt1: 0, salt2: 0 }) }), /no WAL position/);
    expectFull(running({ cursor: cursor({ walSize: 3 * FRAME + 1 }) }), /inside a WAL frame/);
  });

  test('H9: a captured frame that was overwritten means a full file, sealed or not', () => {
    expectFull(running({ lastFrame: 'changed' }), /overwritten/);
    expectFull(running({ lastFrame: 'changed', sealed: true }), /overwritten/);
    expectFull(running({ lastFrame: 'changed', startup: true }), /overwritten/);
  });

  test('the same WAL continues behind the captured end', () => {
    expect(decide(running())).toEqual(incremental(at(5)));
    expect(decide(running({ startup: true }))).toEqual(incremental(at(5)));
    expect(decide(running({ sealed: true }))).toEqual(incremental(at(5)));
  });

  test('a restarted WAL continues at its start only in the sealed state', () => {
    expectFull(running({ wal: wal(RESTARTED, 2, 7) }), /restarted by another process/);
    expect(decide(running({ sealed: true, wal: wal(RESTARTED, 2, 7) }))).toEqual(incremental(32));
    expect(decide(running({ sealed: true, wal: wal(RESTARTED, 0, 7) }))).toEqual(NONE);
  });

  test('H1: at start-up any other salts mean a full file, even in what was the sealed state', () => {
    expectFull(running({ startup: true, wal: wal(RESTARTED, 2, 7) }), /restarted while not running/);
    expectFull(running({ startup: true, sealed: true, wal: wal(RESTARTED, 2, 7) }), /restarted while not running/);
  });
});

describe('further rules', () => {
  test('nothing new is no file', () => {
    expect(decide(running({ wal: wal(OURS, 5) }))).toEqual(NONE);
    // Stale frames of an earlier generation behind the end do not count.
    expect(decide(running({ wal: wal(OURS, 5, 500) }))).toEqual(NONE);
    expect(decide(running({ startup: true, wal: wal(OURS, 5) }))).toEqual(NONE);
  });

  test('at start-up a captured end that the WAL does not prove means a full file', () => {
    expectFull(running({ startup: true, lastFrame: 'unknown' }), /not verified/);
  });

  test('a captured transaction that SQLite does not count as committed means a full file', () => {
    expectFull(running({ wal: wal(OURS, 4, 7) }), /not part of the database/);
    expectFull(running({ startup: true, wal: wal(OURS, 4, 7) }), /not part of the database/);
  });

  test('a restart that has just begun is waited for in the sealed state', () => {
    expect(decide(running({ sealed: true, wal: wal(OURS, 0, 7) }))).toEqual(NONE);
  });

  test('another page size means a full file', () => {
    expectFull(running({ pageSize: 8192 }), /page size changed from 4096 to 8192/);
  });

  test('a demanded full file comes first', () => {
    expectFull(running({ demanded: 'because', wal: wal(OURS, 5) }), /because/);
    expectFull(running({ demanded: 'because', cursor: undefined }), /because/);
  });
});
