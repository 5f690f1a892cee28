/** Databases and replicas that would write over each other. */

import { realPath } from '../base/real-path.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { destinationKey, destinationText, isPlaceWithin } from '../storage/spec.ts';
import type { DatabaseDraft } from './database-draft.ts';
import type { DirectoryDraft } from './directories.ts';
import type { Findings } from './findings.ts';
import { isWithin } from './paths.ts';

/** Reports what collides; returns the databases whose path is theirs alone. */
export function refuseConflicts(drafts: readonly DatabaseDraft[], findings: Findings): readonly DatabaseDraft[] {
  const unique = refuseSharedPaths(drafts, findings);
  refuseSharedDestinations(unique, findings);
  warnOfNesting(unique, findings);
  refuseOverlaps(unique, findings);
  refuseMirrors(unique, findings);
  return unique;
}

function refuseSharedPaths(drafts: readonly DatabaseDraft[], findings: Findings): readonly DatabaseDraft[] {
  const paths = new Set<string>();
  const metaPaths = new Map<string, string>();
  return drafts.filter(({ path, metaPath, at, values }) => {
    const real = realPath(path);
    if (paths.has(real)) {
      findings.error(at, `${path} is listed twice; to have two replicas, list both under "replicas" of one entry`);
      return false;
    }
    paths.add(real);
    const owner = metaPaths.get(realPath(metaPath));
    if (owner !== undefined) findings.error(values['meta-path']?.at ?? at, `${metaPath} is already the meta-path of ${owner}`);
    metaPaths.set(realPath(metaPath), path);
    return true;
  });
}

function refuseSharedDestinations(drafts: readonly DatabaseDraft[], findings: Findings): void {
  const owners = new Map<string, string>();
  for (const { path, replicas } of drafts) {
    for (const { settings, at } of replicas) {
      const destination = destinationKey(settings.store);
      const owner = owners.get(destination);
      if (owner !== undefined)
        findings.error(
          at,
          `${destinationText(settings.store)} is already a replica of ${owner}; two writers would destroy each other's files`,
        );
      owners.set(destination, path);
    }
  }
}

/** Nothing is written twice, but whoever deletes the outer one by hand deletes the inner one too. */
function warnOfNesting(drafts: readonly DatabaseDraft[], findings: Findings): void {
  const all = drafts.flatMap(({ path, replicas }) => replicas.map((replica) => ({ ...replica, path })));
  for (const { settings, at } of all) {
    const outer = all.find(
      (other) =>
        destinationKey(other.settings.store) !== destinationKey(settings.store) && isPlaceWithin(settings.store, other.settings.store),
    );
    if (outer !== undefined)
      findings.warning(
        at,
        `${destinationText(settings.store)} lies inside ${destinationText(outer.settings.store)}, the replica of ${outer.path}`,
      );
  }
}

/** Directories of this machine. */
const filesOf = <T extends { readonly settings: ReplicaSettings }>(replicas: readonly T[]): readonly T[] =>
  replicas.filter(({ settings }) => settings.store.type === 'file');

function refuseOverlaps(drafts: readonly DatabaseDraft[], findings: Findings): void {
  const replicas = drafts.flatMap((draft) => filesOf(draft.replicas));
  for (const { settings, at } of replicas) {
    const directory = realPath(settings.store.path);
    for (const { path, metaPath, at: databaseAt } of drafts) {
      if (isWithin(realPath(path), directory))
        findings.error(databaseAt, `the database ${path} lies inside the replica ${settings.store.path}`);
      else if (isWithin(directory, realPath(metaPath)) || isWithin(realPath(metaPath), directory)) {
        findings.error(at, `the replica ${settings.store.path} and the local state ${metaPath} lie inside each other`);
      }
    }
  }
}

/** A mirror is written by us like a restored copy: it must be nobody else's file. */
function refuseMirrors(drafts: readonly DatabaseDraft[], findings: Findings): void {
  const taken = new Set(drafts.map(({ path }) => realPath(path)));
  const directories = drafts.flatMap(({ metaPath, replicas }) => [
    metaPath,
    ...filesOf(replicas).map(({ settings }) => settings.store.path),
  ]);
  for (const { settings, at } of drafts.flatMap((draft) => draft.replicas)) {
    if (settings.mirror === undefined) continue;
    const mirror = realPath(settings.mirror);
    if (taken.has(mirror)) findings.error(at, `the mirror ${settings.mirror} is a database or the mirror of another replica`);
    taken.add(mirror);
    if (directories.some((directory) => isWithin(mirror, realPath(directory))))
      findings.error(at, `the mirror ${settings.mirror} lies inside a replica or the local state of a database`);
  }
}

/** What is wrong with a directory as a whole; collisions of single members are found when they are looked for. */
export function refuseDirectoryOverlaps(
  directories: readonly DirectoryDraft[],
  databases: readonly DatabaseDraft[],
  findings: Findings,
): void {
  const all = directories.flatMap(({ draft }) => draft.replicas);
  for (const { place } of directories) {
    const states = [place.metaDir, place.metaPath].filter((path) => path !== undefined).map(realPath);
    for (const { settings, at } of filesOf([...all, ...databases.flatMap(({ replicas }) => replicas)])) {
      const replica = realPath(settings.store.path);
      if (isWithin(realPath(place.dir), replica)) findings.error(place.at, `${place.dir} lies inside the replica ${settings.store.path}`);
      if (states.some((state) => isWithin(state, replica) || isWithin(replica, state)))
        findings.error(at, `the replica ${settings.store.path} and the local state of ${place.dir} lie inside each other`);
    }
  }
  for (const { settings, at } of all) {
    const owner = databases.find(({ replicas }) => replicas.some((other) => isPlaceWithin(settings.store, other.settings.store)));
    if (owner !== undefined) findings.error(at, `${destinationText(settings.store)} lies inside a replica of ${owner.path}`);
  }
}
