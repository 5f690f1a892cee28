/** A replica ready for use: its store with all the wrappers, each in its place. */

import { type Clock, systemClock } from '../base/clock.ts';
import { openStore } from '../storage/registry.ts';
import { prefixInStore, type StoreSpec } from '../storage/spec.ts';
import { type LimitSettings, LimitStore } from '../storage/wrap/limit.ts';
import { MeterStore, type StoreListener } from '../storage/wrap/meter.ts';
import { ResumableReadStore } from '../storage/wrap/resumable-read.ts';
import { type RetryOptions, RetryStore } from '../storage/wrap/retry.ts';
import { layoutFor } from './layout.ts';
import { Replica } from './replica.ts';

export interface OpenReplicaOptions {
  readonly clock?: Clock;
  /** Told about every request, each repetition included. */
  readonly meter?: StoreListener;
  readonly limits?: LimitSettings;
  readonly retry?: Pick<RetryOptions, 'settings' | 'onRetry'>;
}

/** Opens the store of `spec`; nothing is contacted before the first call. The caller closes the replica. */
export async function openReplica(spec: StoreSpec, options: OpenReplicaOptions = {}): Promise<Replica> {
  const { clock = systemClock, meter, limits, retry } = options;
  const bare = await openStore(spec);
  const metered = meter === undefined ? bare : new MeterStore(bare, meter, clock);
  // Waiting for a place is outside of the meter, and a repetition queues again instead of holding its place while it waits.
  const retried = new RetryStore(new LimitStore(metered, limits), { clock, ...retry });
  const store = new ResumableReadStore(retried, { clock });
  return new Replica(store, layoutFor(spec.type), prefixInStore(spec));
}
