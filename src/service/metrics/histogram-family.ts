/** A metric that is a histogram of each database. */

import type { DatabaseSeries } from './database-series.ts';
import type { Family } from './family.ts';
import type { Histogram } from './histogram.ts';
import { closing, headOf } from './lines.ts';

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
