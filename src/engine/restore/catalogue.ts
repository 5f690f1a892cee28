/** Lists everything a replica holds, for planning. */

import { NO_TXID } from '../../formats/ltx/txid.ts';
import { type FileInfo, LEVELS } from '../../replica/file-info.ts';
import { buildChains } from './chains.ts';
import type { RestoreSource } from './source.ts';
import type { RestoreTarget } from './target.ts';

export interface CatalogueOptions {
  readonly signal?: AbortSignal;
  /** Creation times from the headers' own timestamps; only a timestamp target is worth their cost. Default false. */
  readonly exactTimes?: boolean;
}

/**
 * The files of all ten levels, whatever levels the writer is configured for. A listing that fails is an error, never a shorter list.
 *
 * Level 0 comes first because compaction moves data upward: what is compacted meanwhile is then seen twice rather than not at all.
 */
export async function listCatalogue(source: RestoreSource, options: CatalogueOptions = {}): Promise<FileInfo[]> {
  const files: FileInfo[] = [];
  if (source.listAll !== undefined) {
    for await (const file of source.listAll(options)) files.push(file);
    return files;
  }
  for (const level of LEVELS) {
    for await (const file of source.list(level, options)) files.push(file);
  }
  return files;
}

/**
 * As `listCatalogue`, for whoever plans by it. A listing is not a picture of one moment: a directory may show a file that was put while it was read
 * without the one before it. Files that nothing leads to are believed when they are found so twice.
 */
export async function listForPlan(source: RestoreSource, options: CatalogueOptions = {}): Promise<FileInfo[]> {
  const files = await listCatalogue(source, options);
  const reached = buildChains(files).at(-1)?.txid ?? NO_TXID;
  return files.every(({ maxTXID }) => maxTXID <= reached) ? files : listCatalogue(source, options);
}

/** The listing that a target needs. */
export function listForTarget(source: RestoreSource, target: RestoreTarget, signal?: AbortSignal): Promise<FileInfo[]> {
  return listForPlan(source, { exactTimes: target.type === 'timestamp', ...(signal === undefined ? {} : { signal }) });
}
