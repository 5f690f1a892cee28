/** What of an object stands in the headers of an answer. */

import { formatTimestamp, parseTimestamp } from '../../base/timestamp.ts';
import type { ObjectInfo } from '../object-store.ts';
import type { Answer } from './client.ts';

/** As the original writes it. */
const TIMESTAMP = 'x-oss-meta-litestream-timestamp';

export const timestampHeaders = (createdAt: number | undefined): Record<string, string> =>
  createdAt === undefined ? {} : { [TIMESTAMP]: formatTimestamp(createdAt) };

/** undefined when size or time are missing: neither is made up. */
export function infoOf(key: string, { headers }: Answer): ObjectInfo | undefined {
  const size = Number(headers['content-length'] ?? Number.NaN);
  const createdAt = parseTimestamp(headers[TIMESTAMP]) ?? Date.parse(headers['last-modified'] ?? '');
  if (!Number.isSafeInteger(size) || Number.isNaN(createdAt)) return undefined;
  const tag = tagOf(headers.etag);
  return { key, size, createdAt, ...(tag === undefined ? {} : { tag }) };
}

export const tagOf = (etag: string | undefined): string | undefined => etag?.replace(/^W\//, '').replaceAll('"', '') || undefined;
