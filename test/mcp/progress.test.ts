import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type ProgressNotice, ProgressPacer } from '../../src/mcp/progress.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function pacer() {
  const sent: ProgressNotice[] = [];
  return { sent, pacer: new ProgressPacer((notice) => sent.push(notice)) };
}

const fetching = (done: number) => ({ phase: 'fetch', done, total: 100, unit: 'bytes' as const, message: `${done} of 100` });

test('a silent call says that it still works every ten seconds, with rising values', () => {
  const { sent, pacer: one } = pacer();
  vi.advanceTimersByTime(35_000);
  one.stop();
  vi.advanceTimersByTime(60_000);
  expect(sent.map(({ message }) => message)).toEqual(['still working', 'still working', 'still working']);
  expect(sent.map(({ progress }) => progress)).toEqual(sent.map(({ progress }) => progress).toSorted((a, b) => a - b));
  expect(new Set(sent.map(({ progress }) => progress)).size).toBe(3);
});

test('a talkative one is heard at most four times a second', () => {
  const { sent, pacer: one } = pacer();
  for (let done = 0; done < 100; done += 1) {
    one.report(fetching(done));
    vi.advanceTimersByTime(10);
  }
  one.stop();
  expect(sent.length).toBeGreaterThanOrEqual(3);
  expect(sent.length).toBeLessThanOrEqual(4);
});

test('a new phase goes on where the last one ended, and the heartbeat repeats its message', () => {
  const { sent, pacer: one } = pacer();
  one.report(fetching(100));
  vi.advanceTimersByTime(300);
  one.report({ phase: 'write', done: 5, total: 50, unit: 'pages', message: 'writing' });
  vi.advanceTimersByTime(20_000);
  one.stop();
  expect(sent[0]).toEqual({ progress: 100, total: 100, message: '100 of 100' });
  expect(sent[1]).toEqual({ progress: 105, total: 150, message: 'writing' });
  expect(sent[2]?.message).toBe('writing');
  expect(sent[2]?.progress).toBeGreaterThan(105);
});
