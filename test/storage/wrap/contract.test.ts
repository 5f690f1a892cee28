import { MemoryStore } from '../../../src/storage/memory/memory.ts';
import type { ObjectStore } from '../../../src/storage/object-store.ts';
import { LimitStore } from '../../../src/storage/wrap/limit.ts';
import { MeterStore } from '../../../src/storage/wrap/meter.ts';
import { ResumableReadStore } from '../../../src/storage/wrap/resumable-read.ts';
import { RetryStore } from '../../../src/storage/wrap/retry.ts';
import { FaultStore } from '../../support/fault-store.ts';
import { objectStoreContract } from '../contract/object-store-contract.ts';

const WRAPPERS: Readonly<Record<string, (inner: ObjectStore) => ObjectStore>> = {
  retry: (inner) => new RetryStore(inner),
  limit: (inner) => new LimitStore(inner, { operations: 2, streams: 20 }),
  meter: (inner) => new MeterStore(inner, () => {}),
  'resumable read': (inner) => new ResumableReadStore(inner),
  'faults without a script': (inner) => new FaultStore(inner),
  'all of them': (inner) => new ResumableReadStore(new RetryStore(new LimitStore(new MeterStore(inner, () => {})))),
};

for (const [name, wrap] of Object.entries(WRAPPERS)) {
  objectStoreContract({
    name: `${name} around memory`,
    capabilities: new MemoryStore().capabilities,
    create: async () => ({ store: wrap(new MemoryStore()), dispose: async () => {} }),
  });
}
