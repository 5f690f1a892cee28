/** The destinations that a dated replica has had so far. */

import { readdir } from 'node:fs/promises';
import { DateTemplate } from '../base/date-template.ts';
import { LitestreamError } from '../base/errors.ts';
import type { StoreSpec } from '../storage/spec.ts';

export interface DatedReplica {
  /** Of today, or of any other day: everything but its path is the same for all. */
  readonly store: StoreSpec;
  readonly dated: { readonly template: string; readonly zone: string };
}

/** The destination of a moment, ms since the epoch. */
export function destinationAt({ store, dated }: DatedReplica, ms: number): StoreSpec {
  return { ...store, path: new DateTemplate(dated.template, dated.zone).at(ms) };
}

/** Every destination that exists, newest date first; the one of today only when it exists. */
export async function listDestinations({ store, dated }: DatedReplica): Promise<StoreSpec[]> {
  const template = new DateTemplate(dated.template, dated.zone);
  const found: { readonly path: string; readonly order: number }[] = [];
  for (const path of await directoriesBelow(template.root, depthBelow(template))) {
    const order = template.orderOf(path);
    if (order !== undefined) found.push({ path, order });
  }
  return found.sort((a, b) => b.order - a.order).map(({ path }) => ({ ...store, path }));
}

const depthBelow = ({ text, root }: DateTemplate): number => text.slice(root.length).split('/').length;

/** Directories exactly `depth` levels below; none when there is no such directory yet. */
async function directoriesBelow(directory: string, depth: number): Promise<string[]> {
  const children = (await entriesOf(directory)).filter((entry) => entry.isDirectory());
  const paths = children.map(({ name }) => `${directory}${name}`);
  if (depth === 1) return paths;
  const below = await Promise.all(paths.map((path) => directoriesBelow(`${path}/`, depth - 1)));
  return below.flat();
}

async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new LitestreamError('STORAGE_UNAVAILABLE', `looking for dated destinations in ${directory}`, { cause: error });
  }
}
