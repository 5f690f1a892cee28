import { beforeAll } from 'vitest';
import { NATSStore } from '../../../src/storage/nats/nats.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { objectStoreContract } from '../contract/object-store-contract.ts';
import { testBucket } from './buckets.ts';

const CAPABILITIES = new NATSStore({ type: 'nats', servers: ['nats://127.0.0.1'], bucket: 'b', path: '' }).capabilities;

describeWith('nats', 'against nats-server', () => {
  let server: ServiceAddresses['nats'];
  beforeAll(async () => {
    server = await service('nats');
  }, SERVICE_START_MS);

  objectStoreContract({
    name: 'nats',
    capabilities: CAPABILITIES,
    create: async () => {
      const bucket = await testBucket({ servers: server.url });
      const store = new NATSStore({ type: 'nats', servers: [server.url], bucket: bucket.name, path: '' });
      return {
        store,
        dispose: async () => {
          await store.close();
          await bucket.remove();
        },
      };
    },
  });
});
