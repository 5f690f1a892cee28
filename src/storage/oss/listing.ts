/** Listings of a bucket, page by page, and never a page that is not one. */

import { compareKeys } from '../key.ts';
import type { ObjectInfo } from '../object-store.ts';
import { inAFewWords } from '../remote/foreign-answer.ts';
import type { OSSClient } from './client.ts';
import { notOSS } from './errors.ts';
import { childrenNamed, childText, type Element, parseXML } from './xml.ts';

/** The most the service gives; without being asked it gives 100. */
const PAGE_KEYS = 1000;

export interface ListRequest {
  readonly prefix: string;
  readonly after: string | undefined;
  readonly signal: AbortSignal | undefined;
}

export async function* listObjects(client: OSSClient, { prefix, after, signal }: ListRequest): AsyncGenerator<ObjectInfo> {
  for (let token: string | undefined, first = true; first || token !== undefined; first = false) {
    const page = await listPage(client, { prefix, after, signal }, token);
    for (const object of page.objects) {
      signal?.throwIfAborted();
      if (object.key.startsWith(prefix) && (after === undefined || compareKeys(object.key, after) > 0)) yield object;
    }
    token = page.next;
  }
}

/** Fails unless the bucket exists and may be listed: says of a bare 404 which of the two is missing. */
export async function probeBucket(client: OSSClient, signal: AbortSignal | undefined): Promise<void> {
  await listPage(client, { prefix: '', after: undefined, signal }, undefined, 1);
}

interface Page {
  readonly objects: readonly ObjectInfo[];
  readonly next: string | undefined;
}

async function listPage(client: OSSClient, request: ListRequest, token: string | undefined, keys = PAGE_KEYS): Promise<Page> {
  const { prefix, after, signal } = request;
  const query = {
    'list-type': '2',
    'max-keys': String(keys),
    'encoding-type': 'url',
    ...(prefix === '' ? {} : { prefix }),
    ...(token === undefined ? {} : { 'continuation-token': token }),
    ...(token !== undefined || after === undefined ? {} : { 'start-after': after }),
  };
  const text = await client.text({ operation: 'list', method: 'GET', query, signal });
  const page = decodePage(client.bucket, text);
  if (page === undefined)
    throw notOSS(client.attempt({ operation: 'list' }), `answered with ${inAFewWords('a listing that is none', text)}`);
  return page;
}

/** undefined for anything that is not a whole page: a fabricated time or a missing end would be believed. */
function decodePage(bucket: string, text: string): Page | undefined {
  const root = parseXML(text);
  if (root?.name !== 'ListBucketResult' || childText(root, 'Name') !== bucket) return undefined;
  const truncated = childText(root, 'IsTruncated');
  const next = childText(root, 'NextContinuationToken');
  if (truncated !== 'false' && (truncated !== 'true' || !next)) return undefined;
  const decode = childText(root, 'EncodingType') === 'url' ? decodeURL : (key: string) => key;
  const objects: ObjectInfo[] = [];
  for (const element of childrenNamed(root, 'Contents')) {
    const object = decodeObject(element, decode);
    if (object === undefined) return undefined;
    objects.push(object);
  }
  const count = childText(root, 'KeyCount');
  if (count !== undefined && Number(count) !== objects.length) return undefined;
  return { objects, next: truncated === 'true' ? next : undefined };
}

function decodeObject(element: Element, decode: (key: string) => string | undefined): ObjectInfo | undefined {
  const key = decode(childText(element, 'Key') ?? '');
  const size = Number(childText(element, 'Size') ?? Number.NaN);
  const createdAt = Date.parse(childText(element, 'LastModified') ?? '');
  return !key || !Number.isSafeInteger(size) || size < 0 || Number.isNaN(createdAt) ? undefined : { key, size, createdAt };
}

/** Encoded as in a form: a space may come as `+`. */
export function decodeURL(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', '%20'));
  } catch {
    return undefined;
  }
}
