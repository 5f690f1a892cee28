/** Data of version 0.3 as the listing verbs show it. */

import { planLegacy } from '../engine/legacy/plan.ts';
import { type LegacyGeneration, newestLegacyTime, oldestLegacyTime } from '../replica/legacy/listing.ts';
import type { Listing } from './listings.ts';
import { formatInstant } from './moment.ts';

/** What is known of a generation from its listing alone. */
export interface LegacyGenerationFacts {
  readonly replica: string;
  readonly generation: string;
  readonly format: 'v3';
  /** Its newest state can be planned: there is a snapshot, and no WAL is left out behind it. */
  readonly restorable: boolean;
  readonly start: string;
  readonly end: string;
  readonly snapshot_count: number;
  readonly file_count: number;
  readonly bytes: number;
}

/** By the time of their newest file. */
export function legacyGenerations({ replica, legacy }: Listing): LegacyGenerationFacts[] {
  return legacy.generations
    .toSorted((a, b) => newestLegacyTime(a) - newestLegacyTime(b))
    .map((generation) => factsOf(replica.name, generation));
}

function factsOf(replica: string, generation: LegacyGeneration): LegacyGenerationFacts {
  const { id, snapshots, segments } = generation;
  const files = [...snapshots, ...segments];
  return {
    replica,
    generation: id,
    format: 'v3',
    restorable: isRestorable(generation),
    start: formatInstant(oldestLegacyTime(generation)),
    end: formatInstant(newestLegacyTime(generation)),
    snapshot_count: snapshots.length,
    file_count: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
  };
}

function isRestorable(generation: LegacyGeneration): boolean {
  try {
    planLegacy({ generations: [generation], unknown: [] }, { type: 'latest' }, generation.id);
    return true;
  } catch {
    return false;
  }
}
