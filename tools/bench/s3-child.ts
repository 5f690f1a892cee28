/** Moves one large object once and tells how it went: arguments are who does it (ours, sdk, sdk-parts: the SDK's signed parts), the direction (up, down), the store as JSON, key and file. */

import { createReadStream, openSync, readSync, statSync } from 'node:fs';
import {
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { wrapStore } from '../../src/replica/open.ts';
import { fileBody } from '../../src/storage/body.ts';
import { openStore } from '../../src/storage/registry.ts';
import type { S3StoreSpec } from '../../src/storage/spec.ts';
import { peakResidentBytes } from './proc.ts';

export interface TransferFacts {
  readonly durationMs: number;
  readonly bytes: number;
  readonly peakResidentBytes: number;
}

const PART_BYTES = 5 * 1024 * 1024;
const AT_ONCE = 5;

const [who, direction, json, key, file] = process.argv.slice(2);
if (json === undefined || key === undefined || file === undefined)
  throw new Error('usage: s3-child ours|sdk|sdk-parts up|down SPEC KEY FILE');
const spec = JSON.parse(json) as S3StoreSpec;
const begun = performance.now();
const bytes = await (who === 'ours' ? ours(key, file) : bySDK(key, file));
const facts: TransferFacts = { durationMs: performance.now() - begun, bytes, peakResidentBytes: peakResidentBytes('self') };
process.send?.(facts, undefined, {}, () => process.disconnect());

async function ours(key: string, file: string): Promise<number> {
  const store = wrapStore(await openStore(spec), spec);
  try {
    if (direction === 'up') return (await store.put(key, fileBody(file, statSync(file).size))).size;
    return await count((await store.open(key, { transient: true })).body);
  } finally {
    await store.close();
  }
}

/** One request, one stream, and nothing else. */
async function bySDK(key: string, file: string): Promise<number> {
  const { bucket: Bucket, endpoint = '', region = '', credentials } = spec;
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    credentials: { accessKeyId: credentials?.accessKeyID ?? '', secretAccessKey: credentials?.secretAccessKey ?? '' },
  });
  try {
    const size = statSync(file).size;
    if (who === 'sdk-parts') {
      await signedParts(client, { Bucket, Key: key }, file, size);
      return size;
    }
    if (direction === 'up') {
      const Body = createReadStream(file, { highWaterMark: 1024 * 1024 });
      await client.send(new PutObjectCommand({ Bucket, Key: key, Body, ContentLength: size }));
      return size;
    }
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: key }));
    return await count(Body as AsyncIterable<Uint8Array>);
  } finally {
    client.destroy();
  }
}

/** Buffers are signed where a stream is not: what signing costs, with nothing of ours. */
async function signedParts(client: S3Client, object: { readonly Bucket: string; readonly Key: string }, file: string, size: number) {
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(object));
  const fd = openSync(file, 'r');
  const parts: CompletedPart[] = [];
  let next = 0;
  const send = async () => {
    const buffer = Buffer.allocUnsafeSlow(PART_BYTES);
    for (let index = next++; index * PART_BYTES < size; index = next++) {
      const Body = buffer.subarray(0, readSync(fd, buffer, 0, PART_BYTES, index * PART_BYTES));
      const { ETag } = await client.send(new UploadPartCommand({ ...object, UploadId, PartNumber: index + 1, Body }));
      parts.push({ PartNumber: index + 1, ETag });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, send));
  const Parts = parts.sort((a, b) => (a.PartNumber ?? 0) - (b.PartNumber ?? 0));
  await client.send(new CompleteMultipartUploadCommand({ ...object, UploadId, MultipartUpload: { Parts } }));
}

async function count(body: AsyncIterable<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of body) size += chunk.byteLength;
  return size;
}
