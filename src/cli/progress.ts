/** One line on a terminal that tells how far long work is; nothing at all when the output is not a terminal. */

import { type Clock, systemClock } from '../base/clock.ts';
import type { Progress } from '../control/progress.ts';
import { formatSIBytes } from './table.ts';

export interface ProgressLine {
  update(progress: Progress): void;
  /** Removes the line. */
  clear(): void;
}

export interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const REDRAW_MS = 100;

/** Rate and time left are those of the current phase. */
export function createProgressLine(stream: ProgressStream, clock: Clock = systemClock): ProgressLine {
  if (stream.isTTY !== true) return { update: () => {}, clear: () => {} };
  let phase = '';
  let startedAt = 0;
  let startedWith = 0;
  let drawnAt = Number.NEGATIVE_INFINITY;
  return {
    update(progress) {
      const now = clock.monotonic();
      if (progress.phase !== phase) {
        phase = progress.phase;
        startedAt = now;
        startedWith = progress.done;
        drawnAt = Number.NEGATIVE_INFINITY;
      }
      const ended = progress.total !== undefined && progress.done >= progress.total;
      if (now - drawnAt < REDRAW_MS && !ended) return;
      drawnAt = now;
      const line = formatProgress(progress, (now - startedAt) / 1000, progress.done - startedWith);
      stream.write(`\r${line.slice(0, Math.max(20, (stream.columns ?? 80) - 1))}\u001b[K`);
    },
    clear() {
      if (drawnAt === Number.NEGATIVE_INFINITY) return;
      stream.write('\r\u001b[K');
      drawnAt = Number.NEGATIVE_INFINITY;
    },
  };
}

/** Such as `fetch  61%  30.8 MB of 50.5 MB  12 MB/s  2s left`. `seconds` and `done` are those of the phase so far. */
export function formatProgress(progress: Progress, seconds: number, done: number): string {
  const amount = (count: number) => (progress.unit === 'bytes' ? formatSIBytes(Math.round(count)) : Math.round(count).toString());
  const unit = progress.unit === 'bytes' ? '' : ` ${progress.unit}`;
  const { total } = progress;
  const parts = [progress.phase];
  if (total !== undefined && total > 0) parts.push(`${Math.min(100, Math.floor((progress.done / total) * 100))}%`.padStart(4));
  parts.push(`${amount(progress.done)}${total === undefined ? '' : ` of ${amount(total)}`}${unit}`);
  if (seconds >= 0.5 && done > 0) {
    const rate = done / seconds;
    parts.push(`${amount(rate)}${unit}/s`);
    if (total !== undefined && total > progress.done) parts.push(`${formatSeconds((total - progress.done) / rate)} left`);
  }
  return parts.join('  ');
}

function formatSeconds(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${whole % 60}s`;
  return `${Math.floor(whole / 3600)}h${Math.floor((whole % 3600) / 60)}m`;
}
