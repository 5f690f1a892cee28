/** Each server for tests answers its own protocol, and lets nobody in without the right key. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ListBucketsCommand, S3Client } from '@aws-sdk/client-s3';
import { BlobServiceClient } from '@azure/storage-blob';
import { connect } from 'nats';
import { beforeAll, expect, it } from 'vitest';
import { describeWith, SERVICE_START_MS, type ServiceAddresses, service } from '../../support/services.ts';

describeWith('s3', 's3', () => {
  let address: ServiceAddresses['s3'];
  beforeAll(async () => {
    address = await service('s3');
  }, SERVICE_START_MS);

  it('lists the buckets of who has the keys', async () => {
    const { endpoint, region, accessKeyID, secretAccessKey } = address;
    const client = new S3Client({ endpoint, region, credentials: { accessKeyId: accessKeyID, secretAccessKey } });
    expect((await client.send(new ListBucketsCommand())).$metadata.httpStatusCode).toBe(200);
    const wrong = new S3Client({ endpoint, region, credentials: { accessKeyId: accessKeyID, secretAccessKey: 'wrong' } });
    await expect(wrong.send(new ListBucketsCommand())).rejects.toThrow(expect.objectContaining({ name: 'SignatureDoesNotMatch' }));
  });
});

describeWith('azure', 'azure', () => {
  it('takes its connection string', async () => {
    const { connectionString } = await service('azure');
    const client = BlobServiceClient.fromConnectionString(connectionString);
    expect((await client.listContainers().byPage().next()).done).toBe(false);
  });
});

describeWith('nats', 'nats', () => {
  it('offers JetStream', async () => {
    const connection = await connect({ servers: (await service('nats')).url });
    try {
      const information = await (await connection.jetstreamManager()).getAccountInfo();
      expect(information.limits.max_storage).not.toBe(0);
    } finally {
      await connection.close();
    }
  });
});

describeWith('sftp', 'sftp', () => {
  const list = (address: ServiceAddresses['sftp'], key: string) =>
    spawnSync(
      'sftp',
      [
        '-b',
        '-',
        '-P',
        String(address.port),
        '-i',
        key,
        '-o',
        `UserKnownHostsFile=${address.knownHosts}`,
        '-o',
        'IdentitiesOnly=yes',
        `${address.user}@${address.host}`,
      ],
      { input: `ls ${address.root}\n`, encoding: 'utf8' },
    );

  it('lets its user in, known by its host key, and nobody else', async () => {
    const address = await service('sftp');
    expect(list(address, address.keyPath)).toMatchObject({ status: 0 });
    expect(list(address, address.strangerKeyPath)).toMatchObject({ status: 255, stderr: expect.stringContaining('Permission denied') });
  });
});

for (const name of ['webdav-apache', 'webdav-rclone'] as const) {
  describeWith(name, name, () => {
    it('stores what is put, for who has the password', async () => {
      const { endpoint, user, password, root } = await service(name);
      const put = (secret: string) =>
        fetch(`${endpoint}/a.txt`, {
          method: 'PUT',
          body: 'content',
          headers: { authorization: `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}` },
        });
      expect((await put(password)).status).toBe(201);
      expect((await put('wrong')).status).toBe(401);
      expect(readFileSync(join(root, 'a.txt'), 'utf8')).toBe('content');
    });
  });
}

describeWith('gcs', 'gcs', () => {
  it('answers in JSON', async () => {
    const { endpoint } = await service('gcs');
    const answer = await fetch(`${endpoint}/storage/v1/b/no-such-bucket`);
    expect(answer.status).toBe(404);
    expect(answer.headers.get('content-type')).toContain('json');
  });
});

describeWith('oss', 'oss', () => {
  it('refuses who does not sign', async () => {
    const { endpoint } = await service('oss');
    expect((await fetch(`${endpoint}/no-such-bucket/key`)).status).toBeGreaterThanOrEqual(400);
  });
});
