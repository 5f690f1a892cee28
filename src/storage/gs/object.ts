/** Objects as the JSON API tells them. */

import { parseTimestamp } from '../../base/timestamp.ts';
import type { ObjectInfo } from '../object-store.ts';
import { type Doing, foreign } from './errors.ts';

/** Name of the creation time in the metadata. */
export const TIMESTAMP = 'litestream-timestamp';

/** What is asked of every object. */
export const OBJECT_FIELDS = 'kind,name,size,generation,timeCreated,metadata';

/** A resource of an object as our facts, with its generation as the tag. RESPONSE_INVALID when it is none. */
export function objectOf(resource: unknown, doing: Doing): ObjectInfo & { readonly tag: string } {
  const { name, size, generation, timeCreated, metadata } = (resource ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof name !== 'string' || !isNumber(size) || !isNumber(generation)) throw foreign(doing, 'the answer tells no object');
  const stored = (metadata as Readonly<Record<string, unknown>> | undefined)?.[TIMESTAMP];
  const exact = parseTimestamp(textOf(stored));
  const facts = { key: name, size: Number(size), tag: generation };
  // Of objects that were copied without their metadata it is the service's own time.
  return exact === undefined
    ? { ...facts, createdAt: parseTimestamp(textOf(timeCreated)) ?? 0, exactTime: false }
    : { ...facts, createdAt: exact };
}

/** 64-bit numbers stand as text in this API. */
const isNumber = (value: unknown): value is string => typeof value === 'string' && /^\d+$/.test(value);
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
