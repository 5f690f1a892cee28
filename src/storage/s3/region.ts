/** Which region a bucket is in. */

import { HeadBucketCommand, type S3Client } from '@aws-sdk/client-s3';
import type { S3StoreSpec } from '../spec.ts';
import { failureOf } from './errors.ts';
import type { Plan } from './plan.ts';
import { regionInEndpoint } from './providers.ts';

/** Where buckets are asked for that may be anywhere. */
export const FIRST_REGION = 'us-east-1';

/** The old name in answers of buckets made before regions had theirs. */
export const regionName = (region: string): string => (region === 'EU' ? 'eu-west-1' : region);

/** The region as far as it is known without asking anybody: setting, ARN, host, and for custom endpoints what the provider takes. */
export function knownRegion({ region, bucket }: S3StoreSpec, { endpoint, provider }: Plan): string | undefined {
  if (region !== undefined && region !== '') return regionName(region);
  const inARN = /^arn:[^:]+:s3(?:-[a-z-]+)?:([a-z0-9-]+):/.exec(bucket)?.[1];
  return inARN ?? regionInEndpoint(endpoint, provider) ?? (endpoint === undefined ? undefined : provider.region);
}

/** The region of AWS_REGION or of the profile. */
export async function environmentRegion(client: S3Client): Promise<string | undefined> {
  try {
    return await client.config.region();
  } catch {
    return undefined; // the SDK has no other way of saying that there is none
  }
}

/** Asks AWS, which tells the region of a bucket also to those who may not look at it. Throws the SDK's error when there is no telling. */
export async function discoverRegion(client: S3Client, bucket: string): Promise<string> {
  try {
    const { BucketRegion } = await client.send(new HeadBucketCommand({ Bucket: bucket }));
    return regionName(BucketRegion ?? FIRST_REGION);
  } catch (error) {
    const region = failureOf(error)?.region;
    if (region === undefined) throw error;
    return regionName(region);
  }
}
