/** Files and directories no restore may touch, however they are spelled or linked (docs/mcp.md, A restore takes two calls). */

import path from 'node:path';
import { followPlaces } from '../engine/follow/places.ts';
import type { DatabaseEntry } from '../service/options.ts';
import { factsOf, identityKey, identityOf, realPathOf } from './file-identity.ts';

export const SIDE_FILES = ['-wal', '-shm', '-journal'] as const;

/** A file and the side files SQLite would use with it. */
export const withSideFiles = (file: string): string[] => [file, ...SIDE_FILES.map((suffix) => file + suffix)];

/** Reads the identities of everything protected, as they are now. */
export async function readProtected(entries: readonly DatabaseEntry[], others: readonly string[]): Promise<ProtectedPaths> {
  const mirrors = entries.flatMap(({ replicas }) => replicas.flatMap(({ mirror }) => (mirror === undefined ? [] : [followPlaces(mirror)])));
  const files = [
    ...entries.flatMap(({ settings }) => withSideFiles(settings.path)),
    ...mirrors.flatMap(({ copy, cursor }) => [...withSideFiles(copy), cursor]),
    ...others,
  ];
  const directories = entries.flatMap(({ settings, replicas }) => [
    settings.metaPath,
    ...replicas.flatMap(({ store }) => (store.type === 'file' ? [store.path] : [])),
  ]);
  directories.push(...mirrors.map(({ directory }) => directory));
  const places = new Set<string>();
  const identities = new Set<string>();
  const trees = new Set<string>();
  for (const target of [...files, ...directories]) {
    for (const place of await placesOf(target)) places.add(place);
    const identity = await identityOf(target);
    if (identity !== undefined) identities.add(identityKey(identity));
    if (identity !== undefined && directories.includes(target)) trees.add(identityKey(identity));
  }
  return { places, identities, trees };
}

export interface ProtectedPaths {
  /** Directory identity and name, lower case, of every protected path, present or not. */
  readonly places: ReadonlySet<string>;
  readonly identities: ReadonlySet<string>;
  /** Directories that are protected with everything below them. */
  readonly trees: ReadonlySet<string>;
}

/** True when `output` (an absolute path whose parent has no links) or one of its side files is protected or lies in a protected directory. */
export async function isProtected(output: string, { places, identities, trees }: ProtectedPaths): Promise<boolean> {
  for (let directory = path.dirname(output); ; directory = path.dirname(directory)) {
    const identity = await identityOf(directory);
    if (identity !== undefined && trees.has(identityKey(identity))) return true;
    if (directory === path.dirname(directory)) break;
  }
  for (const candidate of withSideFiles(output)) {
    for (const place of await placesOf(candidate)) if (places.has(place)) return true;
    const facts = (await identityOf(candidate)) ?? (await factsOf(candidate));
    if (facts !== undefined && identities.has(identityKey(facts))) return true;
  }
  return false;
}

/** Where a path stands, itself and what it leads to. Names are compared without case: some file systems do. */
async function placesOf(target: string): Promise<string[]> {
  const real = await realPathOf(target);
  const spellings = real === undefined || real === target ? [target] : [target, real];
  const places = await Promise.all(
    spellings.map(async (spelling) => {
      const parent = await identityOf(path.dirname(spelling));
      const name = path.basename(spelling).normalize('NFC').toLowerCase();
      return `${parent === undefined ? path.dirname(spelling) : identityKey(parent)}/${name}`;
    }),
  );
  return places;
}
