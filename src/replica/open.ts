/** A replica ready for use: its store with all the wrappers, each in its place. */

import { type Clock, systemClock } from '../base/clock.ts';
import { type Logger, silentLogger } from '../base/log.ts';
import type { ObjectStore } from '../storage/object-store.ts';
import { prefixInStore } from '../storage/place.ts';
import { openStore } from '../storage/registry.ts';
import type { StoreSpec } from '../storage/spec.ts';
import { BandwidthStore } from '../storage/wrap/bandwidth.ts';
import { LIMIT_DEFAULTS, type LimitSettings, LimitStore } from '../storage/wrap/limit.ts';
import { type MeterOptions, MeterStore, type StoreListener } from '../storage/wrap/meter.ts';
import { setOutage } from '../storage/wrap/outage.ts';
import { ParallelReadStore } from '../storage/wrap/parallel-read.ts';
import { ResumableReadStore } from '../storage/wrap/resumable-read.ts';
import { LOCAL_RETRY, RETRY_DEFAULTS, type RetryOptions, RetryStore } from '../storage/wrap/retry.ts';
import { logRetry } from '../storage/wrap/retry-log.ts';
import { StallStore } from '../storage/wrap/stall.ts';
import { ThrottleStore } from '../storage/wrap/throttle.ts';
import { type SharedTraffic, trafficOf } from '../storage/wrap/traffic.ts';
import { WrappedStore } from '../storage/wrap/wrapped-store.ts';
import { Encryption } from './encrypted/encryption.ts';
import type { SealingOptions } from './encrypted/sealing.ts';
import { layoutFor } from './layout.ts';
import { Replica } from './replica.ts';

export interface OpenReplicaOptions {
  readonly clock?: Clock;
  readonly log?: Logger;
  /** For what concerns the whole destination, default `log`. */
  readonly destinationLog?: Logger;
  /** Told about every request, each repetition included. */
  readonly meter?: StoreListener;
  readonly onStreams?: MeterOptions['onStreams'];
  readonly limits?: LimitSettings;
  readonly retry?: Pick<RetryOptions, 'settings' | 'onRetry'>;
  /** Where and by whom ciphertext is made, for the process that owns the database. */
  readonly sealing?: Omit<SealingOptions, 'recipients'>;
}

/** Opens the store of `spec`; nothing is contacted before the first call. The caller closes the replica. */
export async function openReplica(spec: StoreSpec, options: OpenReplicaOptions = {}): Promise<Replica> {
  const bare = await openStore(spec);
  const store = wrapStore(bare, spec, options);
  return new Replica(store, layoutFor(spec.type), prefixInStore(spec), encryptionOf(store, spec, options));
}

/**
 * A store with everything that makes it dependable (docs/engine.md, Requests). The bounds of `spec.transport` are shared with every other
 * store of this thread at the same destination.
 */
export function wrapStore(bare: ObjectStore, spec: StoreSpec, options: OpenReplicaOptions = {}): ObjectStore {
  const { clock = systemClock, log = silentLogger, meter, onStreams, limits, retry } = options;
  const metered =
    meter === undefined
      ? bare
      : new MeterStore(bare, meter, { clock, ...partSizeOf(spec), ...(onStreams === undefined ? {} : { onStreams }) });
  const traffic = trafficOf(spec, { clock, log: options.destinationLog ?? log });
  const watched = new StallStore(metered, { clock });
  // Waiting for a place is outside of meter and watch, and a repetition queues again instead of holding its place while it waits.
  const limited = new LimitStore(new ThrottleStore(watched, traffic.governor), limits ?? limitsOf(spec));
  const onRetry: RetryOptions['onRetry'] = (operation, error, delayMs) => {
    logRetry(log, operation, error, { delayMs, stalls: traffic.stalls });
    retry?.onRetry?.(operation, error, delayMs);
  };
  const { settings = spec.type === 'file' ? LOCAL_RETRY : RETRY_DEFAULTS } = retry ?? {};
  const resumed = new ResumableReadStore(new RetryStore(limited, { clock, settings, outage: traffic.outage, onRetry }), { clock });
  const store = new SharingStore(new BandwidthStore(new ParallelReadStore(resumed), traffic.rates), traffic);
  setOutage(store, traffic.outage);
  return store;
}

/** Neither recipients nor identities: nothing is encrypted. */
function encryptionOf(store: ObjectStore, { encryption }: StoreSpec, { sealing }: OpenReplicaOptions): Encryption | undefined {
  if (encryption === undefined || encryption.recipients.length + (encryption.identities?.length ?? 0) === 0) return undefined;
  return new Encryption(store, encryption, sealing);
}

/** Who sets the number of requests at once means it, for one replica as for all there. */
const limitsOf = ({ transport }: StoreSpec): LimitSettings =>
  transport?.operations === undefined ? LIMIT_DEFAULTS : { ...LIMIT_DEFAULTS, operations: transport.operations };

const partSizeOf = (spec: StoreSpec): { readonly partSize?: number } =>
  'partSize' in spec && spec.partSize !== undefined ? { partSize: spec.partSize } : {};

/** Counts off at its destination when it is closed. */
class SharingStore extends WrappedStore {
  readonly #traffic: SharedTraffic;

  constructor(inner: ObjectStore, traffic: SharedTraffic) {
    super(inner);
    this.#traffic = traffic;
  }

  override close(): Promise<void> {
    this.#traffic.release();
    return super.close();
  }
}
