/** The pieces that the verbs' schemas are made of: one word, one shape, in every door. */

import { z } from 'zod';

/** Whole numbers; a string of digits is taken for the number it shows, because models quote numbers. */
export const whole = (min: number, max: number) =>
  z.preprocess(
    (value: number | string) => (typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value),
    z.int().min(min).max(max),
  );

/** Name or path of a configured database; looked up in a table, never opened. */
export const path = z.string().min(1).max(1024).describe('Configured database: its path or short name');
/** Name of a configured replica. */
export const replica = z.string().min(1).max(200).describe('Replica name; left out: the best one');
export const timestamp = z.string().min(2).max(64).describe('RFC 3339 with zone, or an age such as -15m; state just before it');
export const txid = z
  .string()
  .regex(/^[0-9a-fA-F]{1,16}$/)
  .describe('Transaction id, 1 to 16 hex digits, inclusive');
export const generation = z.string().min(1).max(64);
export const limit = whole(1, 500).default(50);
export const cursor = z.string().min(1).max(2048).describe('page.next_cursor of the previous answer');
export const waitSeconds = whole(0, 50).describe('Seconds to wait before answering with a job; default 20');
export const integrityCheck = z.enum(['none', 'quick', 'full']);

/** Window and page of a listing. */
export const paging = { limit, cursor: cursor.optional() };

const HEX16 = /^[0-9a-f]{16}$/;

/** 16 lower-case hex digits. The rule is kept out of the published schema: it would be repeated in every tool. */
export const txidOut = z.string().refine((text) => HEX16.test(text), 'expected 16 hex digits');
/** RFC 3339, UTC, with milliseconds. */
export const instant = z
  .string()
  .refine((text) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text), 'expected an instant with milliseconds');
/** Seconds, three decimals. */
export const seconds = z.number();
export const count = z.int().min(0);

export const pageOut = z.strictObject({ returned: count, total: count.optional(), next_cursor: z.string().optional() });
const warningsOut = z.array(z.strictObject({ code: z.string(), message: z.string() }));
export type Warning = z.output<typeof warningsOut>[number];

/** What every answer carries; the presenter of each door adds its own words. */
export const envelope = { as_of: instant, warnings: warningsOut.optional() };

/** States of a database; `disabled` is for databases the configuration switches off. */
export const databaseState = z.enum(['waiting', 'starting', 'replicating', 'degraded', 'failing', 'stopped', 'disabled']);
export const replicaState = z.enum(['starting', 'replicating', 'degraded', 'failing', 'stopped', 'unknown']);

/** Counts of transactions are exact far beyond what anyone counts. */
export const toCount = (value: bigint): number =>
  Number(value < 0n ? 0n : value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : value);
