/** What version 0.3 left at a replica, over any kind of store. Read only: nothing here ever writes or deletes. */

import { posix } from 'node:path';
import { LEGACY_FOLDER, parseLegacyName } from '../../formats/v3/names.ts';
import type { CallOptions, ObjectStore } from '../../storage/object-store.ts';

/** A whole image of the database at the beginning of a WAL. Plain data: may cross a thread. */
export interface LegacySnapshot {
  /** Key in the store. */
  readonly key: string;
  /** Number of the WAL that continues it. */
  readonly index: number;
  /** Stored bytes. */
  readonly size: number;
  /** The store's own time, ms since the epoch: version 0.3 recorded no other. */
  readonly createdAt: number;
}

/** A piece of a WAL. */
export interface LegacySegment extends LegacySnapshot {
  /** Where the piece begins in the uncompressed WAL, bytes. */
  readonly offset: number;
}

/** An uninterrupted run of version 0.3, known by 16 hex digits. */
export interface LegacyGeneration {
  readonly id: string;
  /** By index. */
  readonly snapshots: readonly LegacySnapshot[];
  /** By index, then offset. */
  readonly segments: readonly LegacySegment[];
}

export interface LegacyListing {
  /** By id. */
  readonly generations: readonly LegacyGeneration[];
  /** Keys below `generations/` that are no names of version 0.3: told to people, because skipping one in silence once lost data (upstream issue 1442). */
  readonly unknown: readonly string[];
}

export const NO_LEGACY: LegacyListing = { generations: [], unknown: [] };

interface Draft {
  readonly snapshots: LegacySnapshot[];
  readonly segments: LegacySegment[];
}

/**
 * Lists `<prefix>/generations/`, in one listing of the store. A missing folder is empty; a listing that fails is an error, never a shorter list.
 *
 * @param prefix path of the replica inside the store, '' when the store is rooted there
 */
export async function listLegacy(store: ObjectStore, prefix: string, { signal }: CallOptions = {}): Promise<LegacyListing> {
  // Version 0.3 joined names as paths at every kind of destination, also where later files are joined as text.
  const root = posix.join(prefix, LEGACY_FOLDER);
  const drafts = new Map<string, Draft>();
  const unknown: string[] = [];
  for await (const { key, size, createdAt } of store.list(root, { signal })) {
    const name = parseLegacyName(key.slice(root.length));
    if (name === undefined) {
      unknown.push(key);
      continue;
    }
    const draft = drafts.get(name.generation) ?? { snapshots: [], segments: [] };
    drafts.set(name.generation, draft);
    if (name.kind === 'snapshot') draft.snapshots.push({ key, index: name.index, size, createdAt });
    else draft.segments.push({ key, index: name.index, offset: name.offset, size, createdAt });
  }
  const generations = [...drafts].map(([id, { snapshots, segments }]) => ({
    id,
    snapshots: snapshots.sort((a, b) => a.index - b.index),
    // Key order is not offset order: offsets beyond 4 GiB have more digits.
    segments: segments.sort((a, b) => a.index - b.index || a.offset - b.offset),
  }));
  return { generations: generations.sort((a, b) => (a.id < b.id ? -1 : 1)), unknown };
}

/** Creation time of the newest file; -Infinity for none. ms since the epoch. */
export const newestLegacyTime = ({ snapshots, segments }: LegacyGeneration): number =>
  [...snapshots, ...segments].reduce((time, { createdAt }) => Math.max(time, createdAt), Number.NEGATIVE_INFINITY);

/** Creation time of the oldest file; Infinity for none. ms since the epoch. */
export const oldestLegacyTime = ({ snapshots, segments }: LegacyGeneration): number =>
  [...snapshots, ...segments].reduce((time, { createdAt }) => Math.min(time, createdAt), Number.POSITIVE_INFINITY);
