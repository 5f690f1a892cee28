/** Pages of a listing by key, never by offset: files appear and vanish between two calls. */

import { createHash } from 'node:crypto';
import { LitestreamError } from '../base/errors.ts';

const VERSION = 1;

export interface PageRequest {
  readonly verb: string;
  /** The verb's validated input; `limit` and `cursor` do not count as arguments of the listing. */
  readonly input: Readonly<Record<string, unknown>> & { readonly limit: number; readonly cursor?: string | undefined };
}

export interface Page<T> {
  readonly items: T[];
  readonly page: { returned: number; total: number; next_cursor?: string };
}

/** The page of `items` that `request` asks for. `key` is unique and orders the listing, descending. Throws USAGE for a cursor of another listing. */
export function pageOf<T>(items: readonly T[], key: (item: T) => string, request: PageRequest): Page<T> {
  const keyed = items.map((item) => ({ item, key: key(item) })).sort((a, b) => (a.key < b.key ? 1 : a.key > b.key ? -1 : 0));
  const digest = digestOf(request);
  const { cursor, limit } = request.input;
  const after = cursor === undefined ? undefined : decodeCursor(cursor, digest);
  const rest = after === undefined ? keyed : keyed.filter((entry) => entry.key < after);
  const taken = rest.slice(0, limit);
  const last = taken.at(-1);
  return {
    items: taken.map((entry) => entry.item),
    page: {
      returned: taken.length,
      total: items.length,
      ...(last !== undefined && rest.length > taken.length ? { next_cursor: encodeCursor(last.key, digest) } : {}),
    },
  };
}

/** A sort key part that orders numbers by value. */
export const numberKey = (value: number | bigint): string => value.toString().padStart(20, '0');

function digestOf({ verb, input }: PageRequest): string {
  const { limit: _limit, cursor: _cursor, ...args } = input;
  const canonical = Object.entries(args)
    .filter(([, value]) => value !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([verb, canonical]))
    .digest('base64url')
    .slice(0, 12);
}

function encodeCursor(key: string, digest: string): string {
  return Buffer.from(JSON.stringify({ v: VERSION, k: key, d: digest })).toString('base64url');
}

function decodeCursor(cursor: string, digest: string): string {
  try {
    const data: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    if (typeof data === 'object' && data !== null && 'v' in data && 'k' in data && 'd' in data) {
      if (data.v === VERSION && data.d === digest && typeof data.k === 'string') return data.k;
    }
  } catch {
    // Anything unreadable is as stale as a cursor of other arguments.
  }
  throw new LitestreamError('USAGE', 'cursor: does not belong to this listing', {
    details: { argument: 'cursor' },
    hint: 'Start again without cursor, and repeat the other arguments unchanged on the next page.',
  });
}
