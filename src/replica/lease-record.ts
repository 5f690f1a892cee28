/** The object that says who may write to a replica: the original's JSON form with two fields of our own. */

/** Name of the object, beside the levels. */
export const LEASE_NAME = 'lock.json';

export interface LeaseRecord {
  /** Fencing number: greater with every change of holder. */
  readonly generation: number;
  /** ms since the epoch by the holder's clock, for people and for the original; 0 when it was released. */
  readonly expiresAt: number;
  readonly owner?: string;
  /** Ours: which attempt wrote this, so that a lost answer can be told from a lost race. */
  readonly nonce?: string;
  /** Ours: how long the holder may be silent, ms. */
  readonly ttlMs?: number;
}

export function encodeLease({ generation, expiresAt, owner, nonce, ttlMs }: LeaseRecord): Uint8Array {
  const fields = {
    generation,
    expires_at: new Date(expiresAt).toISOString(),
    ...(owner === undefined ? {} : { owner }),
    ...(nonce === undefined ? {} : { nonce }),
    ...(ttlMs === undefined ? {} : { ttl_ms: ttlMs }),
  };
  return Buffer.from(`${JSON.stringify(fields)}\n`);
}

/** Undefined for anything but a lease, an empty object included. */
export function decodeLease(bytes: Uint8Array): LeaseRecord | undefined {
  const { generation, expires_at: expires, owner, nonce, ttl_ms: ttl } = fieldsOf(bytes);
  const expiresAt = typeof expires === 'string' ? Date.parse(expires) : Number.NaN;
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation) || generation < 0 || Number.isNaN(expiresAt)) return undefined;
  return {
    generation,
    expiresAt,
    ...(typeof owner === 'string' && owner !== '' ? { owner } : {}),
    ...(typeof nonce === 'string' ? { nonce } : {}),
    ...(typeof ttl === 'number' && ttl > 0 ? { ttlMs: ttl } : {}),
  };
}

function fieldsOf(bytes: Uint8Array): Partial<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as Partial<Record<string, unknown>>) : {};
  } catch {
    return {};
  }
}
