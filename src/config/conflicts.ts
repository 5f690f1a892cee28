/** Databases and replicas that would write over each other. */

import { realPath } from '../base/real-path.ts';
import type { DatabaseDraft } from './database-draft.ts';
import type { DirectoryDraft } from './directories.ts';
import type { Findings } from './findings.ts';
import { isWithin } from './paths.ts';

/** Reports what collides; returns the databases whose path is theirs alone. */
export function refuseConflicts(drafts: readonly DatabaseDraft[], findings: Findings): readonly DatabaseDraft[] {
  const unique = refuseSharedPaths(drafts, findings);
  refuseSharedDestinations(unique, findings);
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
      const destination = realPath(settings.store.path);
      const owner = owners.get(destination);
      if (owner !== undefined)
        findings.error(at, `${settings.store.path} is already a replica of ${owner}; two writers would destroy each other's files`);
      owners.set(destination, path);
    }
  }
}

function refuseOverlaps(drafts: readonly DatabaseDraft[], findings: Findings): void {
  const replicas = drafts.flatMap((draft) => draft.replicas);
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
  const directories = drafts.flatMap(({ metaPath, replicas }) => [metaPath, ...replicas.map(({ settings }) => settings.store.path)]);
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
    for (const { settings, at } of [...all, ...databases.flatMap(({ replicas }) => replicas)]) {
      const replica = realPath(settings.store.path);
      if (isWithin(realPath(place.dir), replica)) findings.error(place.at, `${place.dir} lies inside the replica ${settings.store.path}`);
      if (states.some((state) => isWithin(state, replica) || isWithin(replica, state)))
        findings.error(at, `the replica ${settings.store.path} and the local state of ${place.dir} lie inside each other`);
    }
  }
  for (const { settings, at } of all) {
    const owner = databases.find(({ replicas }) =>
      replicas.some((other) => isWithin(realPath(settings.store.path), realPath(other.settings.store.path))),
    );
    if (owner !== undefined) findings.error(at, `${settings.store.path} lies inside a replica of ${owner.path}`);
  }
}
