/** An S3 server with an empty bucket for a bench, and how a replica there is written into a configuration. */

import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { whyNot } from '../services/catalogue.ts';
import { Run } from '../services/run.ts';
import type { ServiceAddresses } from '../services/service.ts';

export type S3Address = ServiceAddresses['s3'];

export const BUCKET = 'bench';

/** Runs `work` with the server, which may hold `bytes`, and ends it. */
export async function withS3<T>(bytes: number, work: (address: S3Address) => Promise<T>): Promise<T> {
  const reason = whyNot('s3');
  if (reason !== undefined) throw new Error(`${reason}: npm run services -- install`);
  const servers = Run.ofThisProcess();
  try {
    const address = await servers.start('s3', { s3Bytes: bytes });
    await makeBucket(address);
    return await work(address);
  } finally {
    await servers.stop();
  }
}

async function makeBucket({ endpoint, region, accessKeyID, secretAccessKey }: S3Address): Promise<void> {
  const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials: { accessKeyId: accessKeyID, secretAccessKey } });
  await client.send(new CreateBucketCommand({ Bucket: BUCKET }));
  client.destroy();
}

/** Lines of the entries of `databases`, each with a replica in the bucket. */
export function entriesOf(address: S3Address, databases: Readonly<Record<string, string>>): string[] {
  return Object.entries(databases).flatMap(([path, prefix]) => [
    `  - path: ${path}`,
    '    replica:',
    '      type: s3',
    `      bucket: ${BUCKET}`,
    `      path: ${prefix}`,
    `      endpoint: ${address.endpoint}`,
    `      region: ${address.region}`,
    `      access-key-id: ${address.accessKeyID}`,
    `      secret-access-key: ${address.secretAccessKey}`,
  ]);
}
