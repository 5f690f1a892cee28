/** What a bench hands to its runner, and the numbers and tables it is made of. */

/** A bench is a module of this shape. */
export interface Bench {
  readonly name: string;
  /** One sentence. */
  readonly description: string;
  run(): Promise<Report>;
}

export interface Report {
  readonly lines: readonly string[];
  /** Limits that were missed, each as a sentence with number and limit; empty when all hold. */
  readonly missed: readonly string[];
}

/** The value below which `share` (0…1) of the values lie; NaN for none. */
export function quantile(values: Iterable<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.max(0, Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN;
}

export const median = (values: Iterable<number>): number => quantile(values, 0.5);

/** Three or four digits that mean something. */
export const digits = (value: number): string =>
  value.toFixed(!Number.isFinite(value) || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2);

export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;

export const MIB = 2 ** 20;

/** MB/s, in millions of bytes as disks and networks count. */
export const megabytesPerSecond = (bytes: number, ms: number): number => bytes / ms / 1000;

/** Rows as aligned columns. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd((widths[column] ?? 0) + 2))
      .join('')
      .trimEnd(),
  );
}

/** The sentence when a number is above its limit. */
export function unlessWithin(what: string, value: number, limit: number, unit: string): string[] {
  return value <= limit ? [] : [`${what}: ${digits(value)} ${unit}, the limit is ${limit} ${unit}`];
}

/** Of the time a process wanted a processor, the share it had to wait from which times say more about the neighbours than about us. */
const CROWDED = 0.3;

/** Added to a limit on time that was missed while others had the processors. It stays missed. */
export const crowdedNote = (waited: number): string =>
  waited > CROWDED ? ` (it waited ${percent(waited)} of the time for a processor: run this again on a quiet machine)` : '';
