/** New, empty containers at the real servers of the tests, by the clients of the services' own makers. */

import { randomBytes } from 'node:crypto';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { BlobServiceClient } from '@azure/storage-blob';
import { connect } from 'nats';
import { service } from '../support/services.ts';

/** A name no other test has. */
export const unique = (prefix: string): string => `${prefix}-${randomBytes(6).toString('hex')}`;

/** Each makes a container and returns its name. */
export const makeContainer = {
  async s3(): Promise<string> {
    const { endpoint, region, accessKeyID: accessKeyId, secretAccessKey } = await service('s3');
    const name = unique('test');
    const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } });
    await client.send(new CreateBucketCommand({ Bucket: name }));
    client.destroy();
    return name;
  },

  async azure(): Promise<string> {
    const { connectionString } = await service('azure');
    const name = unique('test');
    await BlobServiceClient.fromConnectionString(connectionString).createContainer(name);
    return name;
  },

  async gcs(): Promise<string> {
    const { endpoint, projectID } = await service('gcs');
    const name = unique('test');
    const made = await fetch(`${endpoint}/storage/v1/b?project=${projectID}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name }),
    });
    if (!made.ok) throw new Error(`making a bucket: ${made.status} ${await made.text()}`);
    return name;
  },

  async nats(): Promise<string> {
    const { url } = await service('nats');
    const name = unique('test');
    const connection = await connect({ servers: url });
    await connection.jetstream().views.os(name);
    await connection.close();
    return name;
  },
} as const;
