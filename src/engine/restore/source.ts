/** What a restore needs of a replica. */

import type { FileInfo, Level } from '../../replica/file-info.ts';
import type { CallOptions, OpenedObject, OpenOptions } from '../../storage/object-store.ts';
import type { RestorePlan } from './plan.ts';

export interface RestoreSource {
  /** Files of a level by minTXID, then maxTXID. With `exactTimes` the creation times are those of the headers, at whatever cost. */
  list(level: Level, options?: CallOptions & { readonly exactTimes?: boolean }): AsyncIterable<FileInfo>;
  /** Files of all levels, level 0 first, where that takes fewer requests than level by level. */
  listAll?(options?: CallOptions & { readonly exactTimes?: boolean }): AsyncIterable<FileInfo>;
  /** OBJECT_NOT_FOUND when the file has gone since it was listed. */
  open(file: FileInfo, options?: OpenOptions): Promise<OpenedObject>;
  /** Bytes of what `open` delivers, which are not those that are listed where files are encrypted. */
  contentSize(file: FileInfo, options?: CallOptions): Promise<number>;
  /** Path of a file in the local file system, where there is one. */
  localPath?(file: FileInfo): string | undefined;
}

/** A source that can do without a file: it has another copy, or another way to the same state. */
export interface FlexibleSource extends RestoreSource {
  /** Settles where each file of a plan comes from. False: not as planned; what it lists has changed, plan again. */
  settle(plan: RestorePlan, signal: AbortSignal): Promise<boolean>;
  /** `file` of the settled plan is damaged or cannot be read: it is not listed again from there. False when that cannot help. */
  discard(file: FileInfo, error: unknown): boolean;
  /** What is listed does not lead to the target. False when nothing more can be listed. */
  widen(): boolean;
  /** Why files of several replicas were not put together, as a clause; undefined when nothing was refused. */
  readonly refusal?: string | undefined;
}

export const isFlexible = (source: RestoreSource): source is FlexibleSource => 'settle' in source;
