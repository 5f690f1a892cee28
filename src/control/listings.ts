/** Listings of several replicas at once, where one that cannot be read is a warning as long as another can. */

import { errorToData } from '../base/errors.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { restorablePoints } from '../engine/restore/points.ts';
import type { FileInfo } from '../replica/file-info.ts';
import { type LegacyListing, NO_LEGACY } from '../replica/legacy/listing.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { Warning } from './fields.ts';
import { findDestinations } from './lookup.ts';
import type { World } from './world.ts';

export interface Listing {
  readonly replica: ReplicaSettings;
  readonly files: readonly FileInfo[];
  /** Empty unless asked for. */
  readonly legacy: LegacyListing;
}

export interface Listings {
  readonly listings: readonly Listing[];
  readonly warnings: readonly Warning[];
  /** Errors of the replicas that were left out. */
  readonly failures: readonly unknown[];
}

export interface ListingRequest {
  readonly entry: DatabaseEntry;
  /** Name of one replica; undefined for all. */
  readonly replica: string | undefined;
  readonly signal: AbortSignal;
  readonly exactTimes?: boolean;
  /** List data of version 0.3 too, at one more request. */
  readonly legacy?: boolean;
}

/** Lists the replicas asked for. Rejects when none of them could be read, with the first one's error. */
export async function listReplicas(world: World, { entry, replica, legacy = false, ...options }: ListingRequest): Promise<Listings> {
  const wanted = await findDestinations(entry, replica);
  const results = await Promise.allSettled(
    wanted.map((settings) =>
      Promise.all([
        world.replicas.list(entry, settings, options),
        legacy ? world.replicas.listLegacy(entry, settings, options.signal) : NO_LEGACY,
      ]),
    ),
  );
  options.signal.throwIfAborted();
  const listings: Listing[] = [];
  const failures: { readonly name: string; readonly reason: unknown }[] = [];
  for (const [index, settings] of wanted.entries()) {
    const result = results[index];
    if (result?.status === 'fulfilled') {
      const [files, old] = result.value;
      listings.push({ replica: settings, files, legacy: old });
    } else failures.push({ name: settings.name, reason: result?.reason });
  }
  if (listings.length === 0) throw failures[0]?.reason;
  return {
    listings,
    warnings: [...failures.map(({ name, reason }) => skipped(name, reason)), ...listings.flatMap(unknownNames)],
    failures: failures.map(({ reason }) => reason),
  };
}

/** The listing from which the newest state can be restored; between equals the one configured first. */
export function bestListing(listings: readonly Listing[]): Listing | undefined {
  const reach = (listing: Listing) => restorablePoints(listing.files).at(-1)?.txid ?? -1n;
  let best: { readonly listing: Listing; readonly txid: bigint } | undefined;
  for (const listing of listings) {
    const txid = reach(listing);
    if (best === undefined || txid > best.txid) best = { listing, txid };
  }
  return best?.listing;
}

/** A name that cannot be read may be data that is needed: it is never passed over in silence (upstream issue 1442). */
function unknownNames({ replica, legacy: { unknown } }: Listing): Warning[] {
  const [first] = unknown;
  if (first === undefined) return [];
  const others = unknown.length === 1 ? '' : ` and ${unknown.length - 1} more`;
  return [{ code: 'LEGACY_NAMES', message: `replica ${replica.name}: ${first}${others} cannot be read as names of version 0.3` }];
}

function skipped(name: string, reason: unknown): Warning {
  const { code, message } = errorToData(reason);
  return { code: 'REPLICA_SKIPPED', message: `replica ${name} could not be read (${code}): ${message}` };
}
