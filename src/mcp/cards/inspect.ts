/** Cards of the tools that look into replicas: generations, snapshots, ltx, points. */

import { defineCard, type PresentContext } from '../card.ts';
import { bytesInWords, countOf, secondsInWords, shortName } from './words.ts';

/** The arguments that say which database and replica were meant, to be used again in the next call. */
function whereOf({ args }: PresentContext): Record<string, unknown> {
  const { path, replica } = args;
  return { ...(typeof path === 'string' ? { path } : {}), ...(typeof replica === 'string' ? { replica } : {}) };
}

export const generations = defineCard({
  verb: 'generations',
  title: 'Lineages',
  description:
    'Lists the uninterrupted runs of transactions that each replica can restore, generations of Litestream 0.3 included, and the gaps between them. Use litestream_points for single moments. Lists the replica, so it costs a few storage requests.',
  toolset: 'inspect',
  named: true,
  idempotent: true,
  list: { field: 'generations', paged: false },
  present: ({ generations: list, gaps }, context) => {
    const restorable = list.filter((one) => one.restorable);
    const newest = restorable.toSorted((a, b) => (a.end < b.end ? 1 : -1))[0];
    if (list.length === 0) return { summary: 'The replicas hold no restorable lineage yet.' };
    const last = newest === undefined ? '' : `; newest on ${shortName(newest.replica)} from ${newest.start} to ${newest.end}`;
    return {
      summary: `${countOf(restorable.length, 'restorable lineage')} of ${list.length}, ${countOf(gaps.length, 'gap')}${last}.`,
      next: [{ tool: 'litestream_points', arguments: whereOf(context), why: 'see the moments that can be restored' }],
    };
  },
});

export const snapshots = defineCard({
  verb: 'snapshots',
  title: 'Snapshots',
  description:
    'Lists the full images that a replica holds: the files that start at transaction 1, and the snapshots of Litestream 0.3. Every restore begins with one of them. Use litestream_ltx for the increments between. Lists the replica, so it costs a few storage requests.',
  toolset: 'inspect',
  named: true,
  idempotent: true,
  list: { field: 'snapshots', paged: true },
  present: ({ snapshots: list, page }) => {
    const [newest] = list;
    if (newest === undefined) return { summary: 'No full image was found.' };
    const proven = list.find((one) => one.proven === true);
    const shown = page.next_cursor === undefined ? '' : `, ${list.length} shown`;
    return {
      summary: `${countOf(page.total ?? list.length, 'snapshot')}${shown}; first listed made ${newest.created} on ${shortName(newest.replica)}, ${bytesInWords(newest.size)}${proven === undefined ? '' : `; ${proven.created} is proven`}.`,
    };
  },
});

export const ltx = defineCard({
  verb: 'ltx',
  title: 'LTX files',
  description:
    'Lists the raw files of a replica by level with sizes, transaction ranges and totals, for experts who look for gaps or growth. litestream_points is usually what you want. Lists the replica, so it costs a few storage requests.',
  toolset: 'inspect',
  named: true,
  idempotent: true,
  list: { field: 'files', paged: true },
  present: ({ files, totals, page }) => {
    const bytes = totals.reduce((sum, total) => sum + total.bytes, 0);
    const all = totals.reduce((sum, total) => sum + total.files, 0);
    if (all === 0) return { summary: 'No file matches.' };
    const shown = page.next_cursor === undefined ? '' : `, ${files.length} shown`;
    const levels = [...new Set(totals.map((total) => total.level))].join(', ');
    return { summary: `${countOf(all, 'file')} on level ${levels}, ${bytesInWords(bytes)}${shown}.` };
  },
});

export const points = defineCard({
  verb: 'points',
  title: 'Restore points',
  description:
    'Lists the moments a database can be restored to, newest first, with how fine the steps are and how much changed between them. Use it before planning a restore; use litestream_ltx for the raw files. Reads listings only; cheap.',
  toolset: 'core',
  idempotent: true,
  list: { field: 'points', paged: true },
  present: ({ database, points: list, coverage, page }, context) => {
    const name = shortName(database);
    const [newest] = list;
    if (newest === undefined || coverage.oldest === undefined) return { summary: `${name} has no restore point in this range.` };
    const total = page.total ?? list.length;
    const fine = coverage.fine_since === undefined ? '' : `, every transaction since ${coverage.fine_since}`;
    const widths = list.map((point) => point.width_seconds ?? 0).filter((width) => width > 0);
    const widest = widths.length === 0 ? '' : `, widest step shown ${secondsInWords(Math.max(...widths))}`;
    const gaps = coverage.gaps.length === 0 ? '' : `, ${countOf(coverage.gaps.length, 'gap')}`;
    return {
      summary: `${name} can be restored from ${coverage.oldest} to ${coverage.newest ?? newest.time}${fine}${gaps}; ${countOf(total, 'point')}${widest}.`,
      next: [
        {
          tool: 'litestream_restore_plan',
          arguments: { ...whereOf(context), txid: newest.txid },
          why: 'plan a restore; put the wanted point in txid',
        },
      ],
    };
  },
});
