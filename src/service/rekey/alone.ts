/** Makes sure that whoever rewrites the files of a replica is the only one there (docs/engine.md, Encryption). */

import { existsSync } from 'node:fs';
import type { Clock } from '../../base/clock.ts';
import { LitestreamError } from '../../base/errors.ts';
import type { ReplicaSettings } from '../../engine/options.ts';
import { Lease } from '../../replica/lease.ts';
import { LEASE_NAME } from '../../replica/lease-record.ts';
import type { Replica } from '../../replica/replica.ts';
import { OwnerLock } from '../../sqlite/owner-lock.ts';
import { maintenanceOf } from '../maintenance/maintenance.ts';
import type { ReplicaHandle } from '../service.ts';

/** Runs each piece of work while the maintenance of a running replica rests; the lease of a running daemon guards its writes already. */
export function aloneBeside(handle: ReplicaHandle, signal: AbortSignal): <T>(work: () => Promise<T>) => Promise<T> {
  const maintenance = maintenanceOf(handle);
  return (work) => (maintenance === undefined ? work() : maintenance.exclusively(work, signal));
}

export interface OfflineOptions {
  readonly metaPath: string;
  readonly settings: ReplicaSettings;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/**
 * Does `work` as the owner of the database on this machine, where it has local state, and under the lease where one is configured. DB_OWNED when another
 * process replicates it, LEASE_HELD when another machine does.
 */
export async function aloneOffline<T>(options: OfflineOptions, work: () => Promise<T>): Promise<T> {
  const { metaPath, clock } = options;
  // Nobody replicates from here what has no local state.
  const owner = existsSync(metaPath) ? OwnerLock.acquire(metaPath, { pid: process.pid, startedAt: clock.now() }) : undefined;
  try {
    return await underLease(options, work);
  } finally {
    owner?.release();
  }
}

async function underLease<T>({ settings, replica, clock, signal }: OfflineOptions, work: () => Promise<T>): Promise<T> {
  if (settings.lease === undefined) return work();
  const { ttlMs, owner } = settings.lease;
  const lease = new Lease({ store: replica.store, key: replica.aux.key(LEASE_NAME), ttlMs, owner, clock });
  if (!(await lease.step({ signal }))) throw held(replica.store.destination, lease.holder?.owner);
  replica.guardWrites(() => {
    if (!lease.isHeld) throw held(replica.store.destination, lease.holder?.owner);
  });
  const ending = new AbortController();
  const keeping = keep(lease, { ttlMs, clock, signal: ending.signal });
  try {
    return await work();
  } finally {
    ending.abort();
    await keeping;
    replica.guardWrites(() => {});
    await lease.release().catch(() => {}); // it expires by itself
  }
}

/** Renews until the signal fires or it was lost, and then it is not taken again; that shows at the next write. */
async function keep(
  lease: Lease,
  { ttlMs, clock, signal }: { readonly ttlMs: number; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  while (!signal.aborted && lease.isOurs) {
    await clock.sleep(ttlMs / 3, { signal, unref: true }).catch(() => {});
    if (!signal.aborted) await lease.step({ signal }).catch(() => {}); // tried again until it is not ours any more
  }
}

const held = (destination: string, owner: string | undefined): LitestreamError =>
  new LitestreamError('LEASE_HELD', `cannot write to ${destination}: ${owner ?? 'somebody else'} has the lease`, {
    hint: 'Run this on the machine that replicates, or stop it and wait until its lease has expired.',
  });
