/** Deleting objects: a thousand a request, and what the answer does not name was not deleted. */

import { hasCode } from '../../base/errors.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { inAFewWords } from '../remote/foreign-answer.ts';
import type { OSSClient } from './client.ts';
import { notOSS } from './errors.ts';
import { decodeURL } from './listing.ts';
import { childrenNamed, childText, escapeXML, parseXML } from './xml.ts';

/** The most the service takes in one request. */
export const BATCH_KEYS = 1000;
const SINGLES_AT_ONCE = 16;

/** Tries every key; missing ones count as deleted. Returns those that could not be deleted, each with its error. */
export async function deleteObjects(
  client: OSSClient,
  keys: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlyMap<string, unknown>> {
  const failures = new Map<string, unknown>();
  for (let at = 0; at < keys.length; at += BATCH_KEYS) {
    signal?.throwIfAborted();
    const batch = keys.slice(at, at + BATCH_KEYS);
    const left = batch.length === 1 ? batch : await inBatch(client, batch, signal, failures);
    await oneByOne(client, left, signal, failures);
  }
  return failures;
}

/** The keys that the answer does not name: each is tried alone, and then says why. */
async function inBatch(
  client: OSSClient,
  keys: readonly string[],
  signal: AbortSignal | undefined,
  failures: Map<string, unknown>,
): Promise<readonly string[]> {
  const objects = keys.map((key) => `<Object><Key>${escapeXML(key)}</Key></Object>`);
  const body = Buffer.from(`<?xml version="1.0" encoding="UTF-8"?><Delete><Quiet>false</Quiet>${objects.join('')}</Delete>`);
  const query = { delete: '', 'encoding-type': 'url' };
  try {
    const text = await client.text({
      operation: 'delete',
      method: 'POST',
      query,
      headers: { 'content-type': 'application/xml' },
      body,
      signal,
    });
    const deleted = decodeDeleted(text);
    if (deleted === undefined)
      throw notOSS(client.attempt({ operation: 'delete' }), `answered with ${inAFewWords('no result of a deletion', text)}`);
    return keys.filter((key) => !deleted.has(key));
  } catch (error) {
    signal?.throwIfAborted();
    if (hasCode(error, 'NOT_SUPPORTED')) return keys;
    for (const key of keys) failures.set(key, error);
    return [];
  }
}

function decodeDeleted(text: string): ReadonlySet<string> | undefined {
  const root = parseXML(text);
  if (root?.name !== 'DeleteResult') return undefined;
  const encoded = childText(root, 'EncodingType') === 'url';
  const keys = childrenNamed(root, 'Deleted').map((element) => childText(element, 'Key') ?? '');
  return new Set(encoded ? keys.map((key) => decodeURL(key) ?? '') : keys);
}

async function oneByOne(
  client: OSSClient,
  keys: readonly string[],
  signal: AbortSignal | undefined,
  failures: Map<string, unknown>,
): Promise<void> {
  const slots = new Semaphore(SINGLES_AT_ONCE);
  const remove = async (key: string): Promise<void> => {
    try {
      await slots.run(() => client.finish({ operation: 'delete', method: 'DELETE', key, signal }), signal);
    } catch (error) {
      signal?.throwIfAborted();
      if (!hasCode(error, 'OBJECT_NOT_FOUND')) failures.set(key, error);
    }
  };
  await Promise.all(keys.map(remove));
}
