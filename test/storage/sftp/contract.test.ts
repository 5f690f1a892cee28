import { randomUUID } from 'node:crypto';
import { beforeAll } from 'vitest';
import { SFTPStore } from '../../../src/storage/sftp/sftp.ts';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';
import { objectStoreContract } from '../contract/object-store-contract.ts';

describeWith('sftp', 'SFTP against sshd', () => {
  let server: ServiceAddresses['sftp'];
  beforeAll(async () => {
    server = await service('sftp');
  }, SERVICE_START_MS);

  for (const concurrentWrites of [true, false])
    objectStoreContract({
      name: `sftp, concurrent writes ${concurrentWrites ? 'on' : 'off'}`,
      capabilities: new SFTPStore({ type: 'sftp', host: 'x', user: 'x', path: '/' }).capabilities,
      create: async () => {
        const { host, port, user, keyPath, hostKey, root } = server;
        // Neither the root nor its parent exists yet: the first put makes them.
        const path = `${root}/${randomUUID()}/root`;
        const store = new SFTPStore({ type: 'sftp', host, port, user, keyPath, hostKeys: [hostKey], path, concurrentWrites });
        return { store, dispose: () => store.close() };
      },
    });
});
