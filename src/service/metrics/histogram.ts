/** Observations of one database by size. */

import type { DatabaseSeries } from './database-series.ts';
import type { Family } from './family.ts';
import { closing, headOf } from './lines.ts';

export class Histogram {
  readonly #bounds: readonly number[];
  /** Of observations that are not above a bound and above the one before; the last one is for all greater ones. */
  readonly counts: number[];
  sum = 0;

  /** @param bounds ascending; whoever writes it knows them too. */
  constructor(bounds: readonly number[]) {
    this.#bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    const found = this.#bounds.findIndex((bound) => value <= bound);
    const at = found < 0 ? this.#bounds.length : found;
    this.counts[at] = (this.counts[at] ?? 0) + 1;
    this.sum += value;
  }
}

/** The lines of each database that has the histogram. */
export function histogramOfDatabases(
  name: string,
  help: string,
  bounds: readonly number[],
  find: (of: DatabaseSeries) => Histogram | undefined,
): Family {
  const closings = [...bounds.map(String), '+Inf'].map((bound) => closing('le', bound));
  const heads = { bucket: headOf(`${name}_bucket`), sum: headOf(`${name}_sum`), count: headOf(`${name}_count`) };
  const write: Family['write'] = (lines, database) => {
    const histogram = find(database);
    if (histogram === undefined) return;
    let upTo = 0;
    lines.use(heads.bucket);
    for (const [index, count] of histogram.counts.entries()) {
      upTo += count;
      lines.add(database, undefined, upTo, closings[index]);
    }
    lines.use(heads.sum);
    lines.add(database, undefined, histogram.sum);
    lines.use(heads.count);
    lines.add(database, undefined, upTo);
  };
  return { name, type: 'histogram', help, write };
}
