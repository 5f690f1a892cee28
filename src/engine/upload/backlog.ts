/** How many local files may wait for a replica, and which of them are beyond that (docs/engine.md, Several replicas). Pure. */

import type { TXID } from '../../formats/ltx/txid.ts';
import type { BacklogSettings } from '../options.ts';
import type { LocalFile } from './local-log.ts';

/** What waits for one replica. */
export interface Waiting {
  /** Behind the oldest file, which is the one being sent: a first copy may be larger than any bound. */
  readonly bytes: number;
  /** Of the oldest file, ms since the epoch; absent when nothing waits. */
  readonly since?: number;
}

/** Part of the bound in bytes that is left after a cut, so that the next file does not need another one. */
const LEFT_PART = 7 / 8;

export function isBeyond({ bytes, since }: Waiting, bound: BacklogSettings, now: number): boolean {
  return bytes > bound.bytes || (since !== undefined && now - since > bound.ageMs);
}

/**
 * The oldest of `waiting` (in TXID order) that have to go for the rest to be within the bound. The newest always stays.
 * @param now ms since the epoch.
 */
export function beyondBound(waiting: readonly LocalFile[], bound: BacklogSettings, now: number): readonly LocalFile[] {
  let left = waiting.reduce((sum, { size }) => sum + size, 0);
  const isOver = left - (waiting[0]?.size ?? 0) > bound.bytes;
  let count = 0;
  for (const file of waiting.slice(0, -1)) {
    const isTooMuch = isOver && left > bound.bytes * LEFT_PART;
    if (!isTooMuch && now - file.at <= bound.ageMs) break;
    left -= file.size;
    count += 1;
  }
  return waiting.slice(0, count);
}

/** One replica in the question of what may be removed. */
export interface Demand {
  /** Confirmed there; undefined while unknown. */
  readonly position: TXID | undefined;
  /** More waits for it than may. */
  readonly isBeyond: boolean;
}

/** The local files that only replicas beyond the bound still wait for, and that are beyond it; never the newest, nor the one furthest confirmed. */
export function chooseCut(files: readonly LocalFile[], demands: readonly Demand[], bound: BacklogSettings, now: number): LocalFile[] {
  const kept = demands.filter(({ isBeyond: beyond }) => !beyond).map(({ position }) => position ?? 0n);
  const limit = kept.reduce<bigint | undefined>(
    (least, position) => (least === undefined || position < least ? position : least),
    undefined,
  );
  const furthest = furthestOf(demands);
  const doomed = new Map<TXID, LocalFile>();
  for (const { position = 0n } of demands.filter(({ isBeyond: beyond }) => beyond)) {
    const waiting = files.filter(({ txid }) => txid > position);
    for (const file of beyondBound(waiting, bound, now)) {
      if ((limit === undefined || file.txid < limit) && file.txid !== furthest) doomed.set(file.txid, file);
    }
  }
  return files.slice(0, -1).filter(({ txid }) => doomed.has(txid));
}

/** The furthest position of all; undefined when none is known. */
export const furthestOf = (demands: readonly Demand[]): TXID | undefined =>
  demands.reduce<TXID | undefined>(
    (most, { position }) => (position !== undefined && (most === undefined || position > most) ? position : most),
    undefined,
  );
