/** How many requests a service counts for one call: an estimate from what is known of each, for the ledger of costs. */

import type { StoreCapabilities } from '../object-store.ts';

/** Objects in one page of a listing; the other types list a directory or a stream in one go. */
const PAGE: Readonly<Record<string, number>> = { s3: 1000, gs: 1000, oss: 1000, abs: 5000 };

/** Bytes up to which an upload is one request unless the settings name the size of a part. */
const PART: Readonly<Record<string, number>> = { s3: 5 * 1024 * 1024, oss: 5 * 1024 * 1024, abs: 4 * 1024 * 1024 };

export const listRequests = (type: string, objects: number): number =>
  Math.max(1, Math.ceil(objects / (PAGE[type] ?? Number.POSITIVE_INFINITY)));

export const deleteRequests = ({ maxDeleteBatch }: StoreCapabilities, keys: number): number =>
  Math.ceil(keys / Math.max(1, maxDeleteBatch));

/** In parts there is one request more to begin, where the service asks for that, and one to complete. */
export function putRequests(type: string, bytes: number, partSize: number | undefined): number {
  const part = partSize ?? PART[type];
  if (part === undefined || bytes <= part) return 1;
  return Math.ceil(bytes / part) + (type === 'abs' ? 1 : 2);
}
