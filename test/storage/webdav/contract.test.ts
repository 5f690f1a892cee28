import { randomUUID } from 'node:crypto';
import { beforeAll } from 'vitest';
import { WebDAVStore } from '../../../src/storage/webdav/webdav.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { objectStoreContract } from '../contract/object-store-contract.ts';

for (const name of ['webdav-apache', 'webdav-rclone'] as const)
  describeWith(name, `WebDAV against ${name}`, () => {
    let server: ServiceAddresses[typeof name];
    beforeAll(async () => {
      server = await service(name);
    }, SERVICE_START_MS);

    objectStoreContract({
      name,
      capabilities: new WebDAVStore({ type: 'webdav', endpoint: 'http://x', path: '/' }).capabilities,
      create: async () => {
        const { endpoint, user, password } = server;
        // Neither the root nor its parent exists yet: the first put makes them.
        const path = `/${randomUUID()}/root with space`;
        const store = new WebDAVStore({ type: 'webdav', endpoint, path, user, credentials: { password } });
        return { store, dispose: () => store.close() };
      },
    });
  });
