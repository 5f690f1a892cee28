import { MemoryStore } from '../../src/storage/memory/memory.ts';
import { objectStoreContract } from './contract/object-store-contract.ts';

const FULL = new MemoryStore().capabilities;

objectStoreContract({
  name: 'memory',
  capabilities: FULL,
  create: async () => ({ store: new MemoryStore(), dispose: async () => {} }),
});

objectStoreContract({
  name: 'memory without conditions and with times from stat only',
  capabilities: { ...FULL, conditionalPut: false, conditionalReplace: false, timestamps: 'stat' },
  create: async () => ({
    store: new MemoryStore({ capabilities: { conditionalPut: false, conditionalReplace: false, timestamps: 'stat' } }),
    dispose: async () => {},
  }),
});
