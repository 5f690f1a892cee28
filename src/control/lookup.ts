/** Finds configured databases and replicas by what people call them; nothing a caller writes is ever opened. */

import { matchesGlob } from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { destinationsOf, replicaNameOf } from '../service/destinations.ts';
import { memberAt } from '../service/directories/members.ts';
import type { DatabaseEntry, DisabledDatabase } from '../service/options.ts';
import type { DatabaseHandle } from '../service/service.ts';
import { disabledError } from '../service/unusable.ts';
import type { Caller } from './caller.ts';
import type { World } from './world.ts';

const MOST_CHOICES = 20;

/** The databases this caller may know of. */
export function visibleEntries(world: World, caller: Caller): readonly DatabaseEntry[] {
  return world.entries.filter((entry) => mayKnow(caller, entry));
}

function mayKnow({ databases: globs }: Caller, { settings }: DatabaseEntry): boolean {
  return globs === undefined || globs.some((glob) => matchesGlob(settings.name, glob) || matchesGlob(settings.path, glob));
}

/** What is configured, disabled databases too. */
export const configuredEntries = ({ entries, disabled = [] }: World): readonly DatabaseEntry[] => [...entries, ...disabled];

/** The same as far as this caller may know of it, for listings. */
export function shownEntries(world: World, caller: Caller): readonly DatabaseEntry[] {
  return configuredEntries(world).filter((entry) => mayKnow(caller, entry));
}

/** The database called `path`, disabled or not. DB_NOT_FOUND as `findDatabase`. */
export function findShown(world: World, caller: Caller, path: string): DatabaseEntry {
  return findDisabled(world, caller, path) ?? findDatabase(world, caller, path);
}

/** By path or name; a member by the pattern of its directory. */
function findDisabled({ disabled = [] }: World, caller: Caller, path: string): DisabledDatabase | undefined {
  const known = disabled.filter((entry) => mayKnow(caller, entry));
  const byPath = known.find(({ settings }) => settings.path === path) ?? known.find(({ settings }) => settings.name === path);
  return byPath ?? known.find(({ settings }) => matchesGlob(path, settings.path));
}

/** The database called `path` (its path or its short name); left out, the only one. DB_NOT_FOUND or USAGE, with the choices nearest first; for a disabled one the reason. */
export function findDatabase(world: World, caller: Caller, path: string | undefined): DatabaseEntry {
  const entries = visibleEntries(world, caller);
  if (path === undefined) return onlyDatabase(world, shownEntries(world, caller));
  const found = entries.find(({ settings }) => settings.path === path) ?? entries.find(({ settings }) => settings.name === path);
  if (found) return found;
  const disabled = findDisabled(world, caller, path);
  if (disabled !== undefined) throw disabledError(disabled);
  // A member of a directory that is gone, or not here yet, may have a backup.
  const member = memberAt(world.directories ?? [], path);
  if (member !== undefined && mayKnow(caller, member)) return member;
  throw new LitestreamError('DB_NOT_FOUND', `no configured database is called "${path}"`, {
    details: { argument: 'path', valid: nearest(path, entries) },
    hint: entries.length === 0 ? 'No database is configured.' : 'Use one of the configured names.',
  });
}

function onlyDatabase(world: World, entries: readonly DatabaseEntry[]): DatabaseEntry {
  const [only, second] = entries;
  if (only !== undefined && second === undefined) {
    const disabled = world.disabled?.find((entry) => entry === only);
    if (disabled !== undefined) throw disabledError(disabled);
    return only;
  }
  if (only === undefined) {
    throw new LitestreamError('DB_NOT_FOUND', 'no database is configured', {
      details: { argument: 'path', valid: [] },
      hint: 'Add a database to the configuration.',
    });
  }
  throw new LitestreamError('USAGE', `path: ${entries.length} databases are configured, so one has to be named`, {
    details: { argument: 'path', valid: entries.slice(0, MOST_CHOICES).map(({ settings }) => settings.name) },
    hint: 'Give path, a name or path from the list of databases.',
  });
}

/** The running side of a database; undefined offline. */
export function handleOf(world: World, entry: DatabaseEntry): DatabaseHandle | undefined {
  return world.service?.databases.find((handle) => handle.settings.path === entry.settings.path);
}

/** The replicas meant by `name`; all of them when it is left out. REPLICA_NOT_FOUND with the choices. */
export function findReplicas(entry: DatabaseEntry, name: string | undefined): readonly ReplicaSettings[] {
  if (name === undefined) {
    if (entry.replicas.length > 0) return entry.replicas;
    throw new LitestreamError('REPLICA_NOT_FOUND', `database ${entry.settings.name} has no replica`, {
      details: { argument: 'replica', valid: [] },
    });
  }
  const found = entry.replicas.find((replica) => replica.name === name);
  if (found) return [found];
  const valid = byDistance(
    name,
    entry.replicas.map((replica) => replica.name),
  ).slice(0, MOST_CHOICES);
  throw new LitestreamError('REPLICA_NOT_FOUND', `database ${entry.settings.name} has no replica called "${name}"`, {
    details: { argument: 'replica', valid },
    hint: 'Use one of the configured replicas, or leave replica out.',
  });
}

/** The same with every destination of a dated replica, newest first; one destination has a name of its own. */
export async function findDestinations(entry: DatabaseEntry, name: string | undefined): Promise<readonly ReplicaSettings[]> {
  const known = findReplicas(entry, name === undefined ? undefined : replicaNameOf(name));
  const all = (await Promise.all(known.map(destinationsOf))).flat();
  if (name === undefined || name === replicaNameOf(name)) return all;
  const found = all.find((settings) => settings.name === name);
  return found === undefined ? findReplicas(entry, name) : [found];
}

function nearest(asked: string, entries: readonly DatabaseEntry[]): string[] {
  const names = new Map(
    entries.map(({ settings }) => [settings.name, Math.min(distance(asked, settings.name), distance(asked, settings.path))]),
  );
  return [...names.keys()].sort((a, b) => (names.get(a) ?? 0) - (names.get(b) ?? 0)).slice(0, MOST_CHOICES);
}

function byDistance(asked: string, names: readonly string[]): string[] {
  return names.toSorted((a, b) => distance(asked, a) - distance(asked, b));
}

/** Edits from one word to the other, over the first 128 characters. */
function distance(from: string, to: string): number {
  const a = from.slice(0, 128).toLowerCase();
  const b = to.slice(0, 128).toLowerCase();
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
