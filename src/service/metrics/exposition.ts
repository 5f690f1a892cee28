/** The Prometheus text format, in parts. */

import type { DatabaseSeries } from './database-series.ts';
import type { Family } from './family.ts';
import { Lines } from './lines.ts';
import { Page } from './page.ts';
import type { Turns } from './turns.ts';

/**
 * All lines of `families` about `databases` behind `head`. Each part stands until the next one is asked for, and no more is kept: a reader
 * that takes its time, or goes away, costs one page.
 */
export async function* exposition(
  head: string,
  families: readonly Family[],
  databases: readonly DatabaseSeries[],
  turns: Turns,
): AsyncGenerator<Uint8Array, void, undefined> {
  const page = new Page();
  const lines = new Lines(page);
  page.text(head);
  for (const family of families) {
    lines.begin(family.name, family.type, family.help);
    for (let next = 0; next < databases.length; ) {
      while (next < databases.length && !page.isFull) family.write(lines, databases[next++] as DatabaseSeries);
      if (!page.isFull) continue;
      yield page.take();
      await turns.next();
    }
  }
  yield page.take();
}
