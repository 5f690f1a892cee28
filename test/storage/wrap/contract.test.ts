import { systemClock } from '../../../src/base/clock.ts';
import { wrapStore } from '../../../src/replica/open.ts';
import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { BandwidthStore } from '../../../src/storage/wrap/bandwidth.ts';
import { Governor } from '../../../src/storage/wrap/governor.ts';
import { LimitStore } from '../../../src/storage/wrap/limit.ts';
import { MeterStore } from '../../../src/storage/wrap/meter.ts';
import { ParallelReadStore } from '../../../src/storage/wrap/parallel-read.ts';
import { ResumableReadStore } from '../../../src/storage/wrap/resumable-read.ts';
import { RetryStore } from '../../../src/storage/wrap/retry.ts';
import { StallStore } from '../../../src/storage/wrap/stall.ts';
import { ThrottleStore } from '../../../src/storage/wrap/throttle.ts';
import { TokenBucket } from '../../../src/storage/wrap/token-bucket.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { objectStoreContract } from '../contract/object-store-contract.ts';

const WRAPPERS: Readonly<Record<string, (inner: ObjectStore) => ObjectStore>> = {
  retry: (inner) => new RetryStore(inner),
  limit: (inner) => new LimitStore(inner, { operations: 2, streams: 20 }),
  meter: (inner) => new MeterStore(inner, () => {}),
  stall: (inner) => new StallStore(inner),
  throttle: (inner) => new ThrottleStore(inner, new Governor(2, systemClock)),
  bandwidth: (inner) =>
    new BandwidthStore(inner, { upload: new TokenBucket(1e9, systemClock), download: new TokenBucket(1e9, systemClock) }),
  'resumable read': (inner) => new ResumableReadStore(inner),
  'parallel read': (inner) => new ParallelReadStore(inner, { windowBytes: 10_000, ahead: 3 }),
  'faults without a script': (inner) => new FaultStore(inner),
  'all of them': (inner) => wrapStore(inner, { type: 'file', path: '/', transport: { uploadBytesPerSecond: 1e9 } }, { meter: () => {} }),
};

for (const [name, wrap] of Object.entries(WRAPPERS)) {
  objectStoreContract({
    name: `${name} around memory`,
    capabilities: new MemoryStore().capabilities,
    create: async () => ({ store: wrap(new MemoryStore()), dispose: async () => {} }),
  });
}
