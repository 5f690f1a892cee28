/** What goes with an object when it is written, in one request or in many. */

import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import type { Clock } from '../../base/clock.ts';
import { formatTimestamp } from '../../base/timestamp.ts';
import type { PutOptions } from '../object-store.ts';
import type { Conditions } from './conditions.ts';
import { TIMESTAMP_KEY } from './metadata.ts';
import type { UploadBudgets } from './part-buffers.ts';
import type { ObjectPlace } from './reading.ts';

export interface UploadPlace extends ObjectPlace {
  readonly conditions: Conditions;
  readonly budgets: UploadBudgets;
  readonly clock: Clock;
}

export interface Stored {
  /** Bytes. */
  readonly size: number;
  readonly tag: string;
}

/** What goes with the object, in one request or at the start of many. */
export type ObjectParameters = Pick<
  PutObjectCommandInput,
  | 'Bucket'
  | 'Key'
  | 'ContentType'
  | 'Metadata'
  | 'StorageClass'
  | 'ServerSideEncryption'
  | 'SSEKMSKeyId'
  | 'SSECustomerAlgorithm'
  | 'SSECustomerKey'
>;

export function parametersOf({ bucket, key, plan }: ObjectPlace, { createdAt }: PutOptions): ObjectParameters {
  return {
    Bucket: bucket,
    Key: key,
    ContentType: 'application/octet-stream',
    ...(createdAt === undefined ? {} : { Metadata: { [TIMESTAMP_KEY]: formatTimestamp(createdAt) } }),
    ...(plan.storageClass === undefined ? {} : { StorageClass: plan.storageClass as NonNullable<PutObjectCommandInput['StorageClass']> }),
    ...plan.encryption.write,
  };
}
