/** Listings of several replicas at once, where one that cannot be read is a warning as long as another can. */

import { errorToData } from '../base/errors.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { restorablePoints } from '../engine/restore/points.ts';
import type { FileInfo } from '../replica/file-info.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { Warning } from './fields.ts';
import { findReplicas } from './lookup.ts';
import type { World } from './world.ts';

export interface Listing {
  readonly replica: ReplicaSettings;
  readonly files: readonly FileInfo[];
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
}

/** Lists the replicas asked for. Rejects when none of them could be read, with the first one's error. */
export async function listReplicas(world: World, { entry, replica, ...options }: ListingRequest): Promise<Listings> {
  const wanted = findReplicas(entry, replica);
  const results = await Promise.allSettled(wanted.map((settings) => world.replicas.list(entry, settings, options)));
  options.signal.throwIfAborted();
  const listings: Listing[] = [];
  const failures: { readonly name: string; readonly reason: unknown }[] = [];
  for (const [index, settings] of wanted.entries()) {
    const result = results[index];
    if (result?.status === 'fulfilled') listings.push({ replica: settings, files: result.value });
    else failures.push({ name: settings.name, reason: result?.reason });
  }
  if (listings.length === 0) throw failures[0]?.reason;
  return {
    listings,
    warnings: failures.map(({ name, reason }) => skipped(name, reason)),
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

function skipped(name: string, reason: unknown): Warning {
  const { code, message } = errorToData(reason);
  return { code: 'REPLICA_SKIPPED', message: `replica ${name} could not be read (${code}): ${message}` };
}
