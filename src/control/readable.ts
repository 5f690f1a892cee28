/** Replicas that can be listed but not read: encrypted ones, without an identity. */

import { LitestreamError } from '../base/errors.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { Listing, Listings } from './listings.ts';
import type { World } from './world.ts';

/** The listings that a restore can use, the others as warnings. IDENTITY_REQUIRED when there are files, and none of them can be read. */
export async function readableListings(world: World, entry: DatabaseEntry, found: Listings): Promise<Listings> {
  const readable: Listing[] = [];
  const failures = [...found.failures];
  const warnings = [...found.warnings];
  for (const listing of found.listings) {
    const { name } = listing.replica;
    const replica = await world.replicas.get(entry, listing.replica);
    if (listing.files.length === 0 || replica.canRead) readable.push(listing);
    else {
      failures.push(unreadable(name));
      warnings.push({ code: 'REPLICA_SKIPPED', message: `replica ${name} is encrypted, and no age identity is configured` });
    }
  }
  if (readable.length === 0 && failures.length > 0) throw failures[0];
  return { listings: readable, warnings, failures };
}

const unreadable = (name: string): LitestreamError =>
  new LitestreamError('IDENTITY_REQUIRED', `replica ${name} is encrypted, and no age identity is configured`, {
    hint: 'Add the identity (AGE-SECRET-KEY-…, or the file that holds it) to age.identities of the replica in the configuration.',
  });
