/** What cold databases share: the places for open ones, the watch over closed ones, and the locks that cover them. */

import { readFileSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { ColdWatch } from '../../engine/cold/cold-watch.ts';
import { type LockMaker, SharedLocks } from './shared-locks.ts';
import { WarmSet } from './warm-set.ts';

/** Things that are counted: `missed` is a change that no file event told of. */
export type ColdCount = 'wakes' | 'full_files' | 'missed';

export interface ColdSupport {
  readonly warm: WarmSet;
  readonly watch: ColdWatch;
  readonly locks: SharedLocks;
  /** By lock directory: to be told when its lock was removed by somebody. */
  readonly listeners: Set<(lockRoot: string) => void>;
  readonly count: (path: string, what: ColdCount) => void;
}

export interface ColdSupportOptions {
  /** Unique to this process (sqlite/shared-lock.ts). */
  readonly sharedId: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly watch: ColdWatch;
  readonly loadLocks?: () => Promise<LockMaker>;
  /** Open databases at most, among those that may be cold. */
  readonly limit?: number;
  readonly count?: (path: string, what: ColdCount) => void;
}

/** An open database has this many descriptors at most: four connections with two files each, the database file, `-shm`, a lock, one to read. */
const DESCRIPTORS = 12;
const MOST = 256;

export function coldSupport({ sharedId, clock, log, watch, loadLocks = load, limit, count }: ColdSupportOptions): ColdSupport {
  const listeners: ColdSupport['listeners'] = new Set();
  const onLost = (root: string): void => {
    for (const tell of listeners) tell(root);
  };
  return {
    warm: new WarmSet(clock, limit ?? defaultLimit()),
    watch,
    locks: new SharedLocks({ id: sharedId, clock, log, load: loadLocks, onLost }),
    listeners,
    count: count ?? (() => {}),
  };
}

/** Half of the descriptors that the process may have. */
function defaultLimit(): number {
  const descriptors = descriptorLimit() ?? 1024;
  return Math.max(8, Math.min(MOST, Math.floor(descriptors / 2 / DESCRIPTORS)));
}

function descriptorLimit(): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined; // not Linux
  }
}

async function load(): Promise<LockMaker> {
  const [{ SharedLock }, { isCoveredBy, uncover }] = await Promise.all([
    import('../../sqlite/shared-lock.ts'),
    import('../../sqlite/owner-lock.ts'),
  ]);
  return {
    acquire: (directory, id) => SharedLock.acquire(directory, id),
    uncover,
    isCovered: isCoveredBy,
  };
}
