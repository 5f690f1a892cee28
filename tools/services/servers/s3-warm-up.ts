/** First requests to a new S3 server, which makes its pools only then and takes seconds for each. */

import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import type { ServiceAddresses } from '../service.ts';

export async function warmUp({ endpoint, region, accessKeyID, secretAccessKey }: ServiceAddresses['s3']): Promise<void> {
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId: accessKeyID, secretAccessKey },
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });
  const object = { Bucket: 'warm-up', Key: 'object' };
  try {
    await client.send(new CreateBucketCommand({ Bucket: object.Bucket }));
    await client.send(new PutObjectCommand({ ...object, Body: 'x' }));
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(object));
    await client.send(new AbortMultipartUploadCommand({ ...object, UploadId }));
    await client.send(new DeleteObjectCommand(object));
    await client.send(new DeleteBucketCommand({ Bucket: object.Bucket }));
  } finally {
    client.destroy();
  }
}
