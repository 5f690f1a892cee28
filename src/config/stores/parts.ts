/** Sizes of the parts in which large files are uploaded, within what LITESTREAM_BUFFER_SIZE allows. */

import { parseBytes } from '../scalars.ts';
import type { Placed } from '../section.ts';
import { place, type StoreContext } from './kind.ts';

const MIB = 1024 * 1024;

/** The least S3 takes for any part but the last. */
export const MIN_PART_BYTES = 5 * MIB;
/** The least OSS takes. */
export const MIN_OSS_PART_BYTES = 100 * 1024;

const VARIABLE = 'LITESTREAM_BUFFER_SIZE';

/** What may be buffered for one database, bytes; undefined when nothing is said. An unusable value leaves a finding. */
export function bufferSize({ env, findings }: Pick<StoreContext, 'env' | 'findings'>): number | undefined {
  const text = env[VARIABLE];
  if (text === undefined || text === '') return undefined;
  const parsed = parseBytes(text);
  if ('value' in parsed && parsed.value >= MIN_PART_BYTES) return parsed.value;
  findings.error(
    { key: VARIABLE },
    `"${text}" ${'problem' in parsed ? parsed.problem : 'is too little: one part of an upload is 5MiB, so at least 5MiB are needed'}`,
  );
  return undefined;
}

/** A size below the least is raised, with a finding: the original fails at every upload. */
export function readPartSize(size: Placed<number> | undefined, least: number, { findings }: StoreContext): number | undefined {
  if (size === undefined || size.value >= least) return size?.value;
  const why = size.value === 5_000_000 ? '5MB is 5,000,000 bytes and below' : 'below';
  findings.warning(size.at, `${why} the least size of a part, ${least === MIN_PART_BYTES ? '5MiB' : '100KiB'}, which is used instead`);
  return least;
}

/** Parts in flight: as written, else as many as the buffer takes; undefined where that is at least `most`, the default of the store. */
export function partBudget(
  concurrency: Placed<number> | undefined,
  partSize: number | undefined,
  most: number,
  context: StoreContext,
): number | undefined {
  // As in the original, 0 or less is the default.
  if (concurrency !== undefined && concurrency.value > 0) return concurrency.value;
  const buffer = bufferSize(context);
  if (buffer === undefined) return undefined;
  const parts = Math.max(1, Math.floor(buffer / (partSize ?? MIN_PART_BYTES)));
  if (parts >= most) return undefined;
  context.findings.origin(`${place(context)}.concurrency`, `$${VARIABLE}`);
  return parts;
}
