import { describe, expect, test } from 'vitest';
import { type CheckpointInput, chooseCheckpoint, passiveThreshold } from '../../../src/engine/db/checkpoint-policy.ts';

const SETTINGS = { checkpointIntervalMs: 60_000, minCheckpointPages: 1000, truncatePages: 121_359 };
const input = (change: Partial<CheckpointInput> = {}): CheckpointInput => ({
  frames: 2,
  framesThen: 1,
  elapsedMs: 0,
  backOffMs: 0,
  ...change,
});

describe('chooseCheckpoint', () => {
  test('leaves a small and young WAL alone', () => {
    expect(chooseCheckpoint(SETTINGS, input({ frames: 499, elapsedMs: 59_999 }))).toBeUndefined();
  });

  test('comes well before the checkpoints of the application', () => {
    expect(chooseCheckpoint(SETTINGS, input({ frames: 500 }))).toBe('PASSIVE');
    expect(passiveThreshold(1000)).toBe(500);
    expect(passiveThreshold(100)).toBe(100);
  });

  test('keeps to a threshold that was set above the one of applications', () => {
    expect(passiveThreshold(5000)).toBe(5000);
    expect(chooseCheckpoint({ ...SETTINGS, minCheckpointPages: 5000 }, input({ frames: 4999 }))).toBeUndefined();
  });

  test('truncates only in an emergency, and never when that is switched off', () => {
    expect(chooseCheckpoint(SETTINGS, input({ frames: 121_359 }))).toBe('TRUNCATE');
    expect(chooseCheckpoint({ ...SETTINGS, truncatePages: Number.POSITIVE_INFINITY }, input({ frames: 1e9 }))).toBe('PASSIVE');
  });

  test('checkpoints after the interval when something was written since', () => {
    expect(chooseCheckpoint(SETTINGS, input({ frames: 2, framesThen: 1, elapsedMs: 60_000 }))).toBe('PASSIVE');
    expect(chooseCheckpoint(SETTINGS, input({ frames: 2, framesThen: 0, elapsedMs: 60_000 }))).toBe('PASSIVE');
  });

  test('never checkpoints an idle database (row 18)', () => {
    expect(chooseCheckpoint(SETTINGS, input({ frames: 1, framesThen: 1, elapsedMs: 1e9 }))).toBeUndefined();
    expect(chooseCheckpoint(SETTINGS, input({ frames: 40, framesThen: 40, elapsedMs: 1e9 }))).toBeUndefined();
    expect(chooseCheckpoint(SETTINGS, input({ frames: 1, framesThen: 0, elapsedMs: 1e9 }))).toBeUndefined();
  });

  test('has no time trigger when the interval is 0', () => {
    expect(chooseCheckpoint({ ...SETTINGS, checkpointIntervalMs: 0 }, input({ frames: 3, elapsedMs: 1e12 }))).toBeUndefined();
  });

  test('H4: waits after an attempt without effect, even in an emergency (row 29)', () => {
    expect(chooseCheckpoint(SETTINGS, input({ frames: 1e6, backOffMs: 1 }))).toBeUndefined();
    expect(chooseCheckpoint(SETTINGS, input({ frames: 1e6, backOffMs: 0 }))).toBe('TRUNCATE');
  });
});
