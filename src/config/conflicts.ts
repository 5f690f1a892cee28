/** Databases and replicas that would write over each other. There may be thousands: everything is looked up, nothing compared in pairs. */

import { dirname } from 'node:path';
import { realPath } from '../base/real-path.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { destinationKey, destinationText, placesAbove } from '../storage/place.ts';
import type { DatabaseDraft, PlacedReplica } from './database-draft.ts';
import type { DirectoryDraft } from './directories.ts';
import type { Findings } from './findings.ts';

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
    const realMeta = realPath(metaPath);
    const owner = metaPaths.get(realMeta);
    if (owner !== undefined) findings.error(values['meta-path']?.at ?? at, `${metaPath} is already the meta-path of ${owner}`);
    metaPaths.set(realMeta, path);
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
  const all = drafts.flatMap(({ path, replicas }) =>
    replicas.map((replica) => ({
      ...replica,
      path,
      key: destinationKey(replica.settings.store),
      places: placesAbove(replica.settings.store),
    })),
  );
  const byPlace = Map.groupBy(all, ({ places }) => places[0] ?? '');
  for (const { settings, at, key, places } of all) {
    const outer = places.flatMap((place) => byPlace.get(place) ?? []).find((other) => other.key !== key);
    if (outer !== undefined)
      findings.warning(
        at,
        `${destinationText(settings.store)} lies inside ${destinationText(outer.settings.store)}, the replica of ${outer.path}`,
      );
  }
}

/** Directories of this machine. */
const filesOf = (replicas: readonly PlacedReplica[]): readonly PlacedReplica[] =>
  replicas.filter(({ settings }) => settings.store.type === 'file');

/** A path and all directories above it. */
function upwards(path: string): readonly string[] {
  const parent = dirname(path);
  return parent === path ? [path] : [path, ...upwards(parent)];
}

/** The first thing that stands at a path or above it. */
function holderOf<T>(things: ReadonlyMap<string, T>, path: string): T | undefined {
  const place = upwards(path).find((directory) => things.has(directory));
  return place === undefined ? undefined : things.get(place);
}

const byDirectory = (replicas: readonly PlacedReplica[]): ReadonlyMap<string, PlacedReplica> =>
  new Map(filesOf(replicas).map((replica) => [realPath(replica.settings.store.path), replica]));

function refuseOverlaps(drafts: readonly DatabaseDraft[], findings: Findings): void {
  const replicas = byDirectory(drafts.flatMap((draft) => draft.replicas));
  const states = new Map(drafts.map(({ metaPath }) => [realPath(metaPath), metaPath]));
  const refuse = ({ settings, at }: PlacedReplica, metaPath: string) =>
    findings.error(at, `the replica ${settings.store.path} and the local state ${metaPath} lie inside each other`);
  for (const { path, metaPath, at } of drafts) {
    const around = holderOf(replicas, realPath(path));
    if (around !== undefined) findings.error(at, `the database ${path} lies inside the replica ${around.settings.store.path}`);
    const aroundState = holderOf(replicas, realPath(metaPath));
    if (aroundState !== undefined && aroundState !== around) refuse(aroundState, metaPath);
  }
  for (const [directory, replica] of replicas) {
    const state = holderOf(states, directory);
    if (state !== undefined) refuse(replica, state);
  }
}

/** A mirror is written by us like a restored copy: it must be nobody else's file. */
function refuseMirrors(drafts: readonly DatabaseDraft[], findings: Findings): void {
  const mirrored = drafts.flatMap((draft) => draft.replicas.filter(({ settings }) => settings.mirror !== undefined));
  if (mirrored.length === 0) return;
  const taken = new Set(drafts.map(({ path }) => realPath(path)));
  const states = drafts.map(({ metaPath }) => metaPath);
  const files = filesOf(drafts.flatMap(({ replicas }) => replicas)).map(({ settings }) => settings.store.path);
  const directories = new Map([...states, ...files].map((path) => [realPath(path), path]));
  for (const { settings, at } of mirrored) {
    const mirror = realPath(settings.mirror ?? '');
    if (taken.has(mirror)) findings.error(at, `the mirror ${settings.mirror} is a database or the mirror of another replica`);
    taken.add(mirror);
    if (holderOf(directories, mirror) !== undefined)
      findings.error(at, `the mirror ${settings.mirror} lies inside a replica or the local state of a database`);
  }
}

/** What is wrong with a directory as a whole; collisions of single members are found when they are looked for. */
export function refuseDirectoryOverlaps(
  directories: readonly DirectoryDraft[],
  databases: readonly DatabaseDraft[],
  findings: Findings,
): void {
  if (directories.length === 0) return;
  const all = directories.flatMap(({ draft }) => draft.replicas);
  const replicas = byDirectory([...all, ...databases.flatMap((database) => database.replicas)]);
  for (const { place } of directories) {
    const around = holderOf(replicas, realPath(place.dir));
    if (around !== undefined) findings.error(place.at, `${place.dir} lies inside the replica ${around.settings.store.path}`);
    refuseStateOverlaps(place, replicas, findings);
  }
  const owners = new Map(databases.flatMap(({ path, replicas: own }) => own.map(({ settings }) => [placeOf(settings), path])));
  for (const { settings, at } of all) {
    const outer = placesAbove(settings.store).find((place) => owners.has(place));
    if (outer !== undefined) findings.error(at, `${destinationText(settings.store)} lies inside a replica of ${owners.get(outer)}`);
  }
}

function refuseStateOverlaps(place: DirectoryDraft['place'], replicas: ReadonlyMap<string, PlacedReplica>, findings: Findings): void {
  const refuse = ({ settings, at }: PlacedReplica) =>
    findings.error(at, `the replica ${settings.store.path} and the local state of ${place.dir} lie inside each other`);
  const states = [place.metaDir, place.metaPath].filter((path) => path !== undefined).map(realPath);
  for (const state of states) {
    const around = holderOf(replicas, state);
    if (around !== undefined) refuse(around);
  }
  if (states.length === 0) return;
  for (const [directory, replica] of replicas) if (upwards(directory).some((above) => states.includes(above))) refuse(replica);
}

const placeOf = ({ store }: ReplicaSettings): string => placesAbove(store)[0] ?? '';
