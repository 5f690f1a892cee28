/** The destinations that a dated replica has had so far. */

import { readdir, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DateTemplate } from '../base/date-template.ts';
import { LitestreamError } from '../base/errors.ts';
import { systemCode } from '../base/system-error.ts';
import type { ObjectInfo } from '../storage/object-store.ts';
import { destinationText, prefixInStore } from '../storage/place.ts';
import type { StoreSpec } from '../storage/spec.ts';
import { groupsBelow } from './groups.ts';
import { openReplica } from './open.ts';
import type { Replica } from './replica.ts';

/** Keys in one call of the store. */
const DELETE_BATCH = 1000;

export interface DatedReplica {
  /** Of today, or of any other day: everything but its path is the same for all. */
  readonly store: StoreSpec;
  readonly dated: { readonly template: string; readonly zone: string };
}

/** The destination of a moment, ms since the epoch. */
export function destinationAt({ store, dated }: DatedReplica, ms: number): StoreSpec {
  return { ...store, path: new DateTemplate(dated.template, dated.zone).at(ms) };
}

/** Every destination that exists, newest date first; the one of today only when it exists. */
export async function listDestinations({ store, dated }: DatedReplica, signal?: AbortSignal): Promise<StoreSpec[]> {
  const template = new DateTemplate(dated.template, dated.zone);
  const found: { readonly path: string; readonly order: number }[] = [];
  const depth = depthBelow(template);
  const paths = store.type === 'file' ? await directoriesBelow(template.root, depth) : await prefixesBelow(store, template, depth, signal);
  for (const path of paths) {
    const order = template.orderOf(path);
    if (order !== undefined) found.push({ path, order });
  }
  return found.sort((a, b) => b.order - a.order).map(({ path }) => ({ ...store, path }));
}

/** Removes everything a destination holds, its directories too. Its newest files go last, so that what is left of a removal that was cut still says how old it is. */
export async function removeDestination(replica: Replica, { store, dated }: DatedReplica, signal: AbortSignal): Promise<void> {
  const objects: ObjectInfo[] = [];
  for await (const object of replica.store.list(below(store), { signal })) objects.push(object);
  objects.sort((a, b) => a.createdAt - b.createdAt);
  for (let at = 0; at < objects.length; at += DELETE_BATCH) {
    const keys = objects.slice(at, at + DELETE_BATCH).map(({ key }) => key);
    await replica.store.delete(keys, { signal });
  }
  if (store.type !== 'file') return;
  await removeEmptyDirectories(store.path);
  const { root } = new DateTemplate(dated.template, dated.zone);
  for (let parent = dirname(store.path); parent.startsWith(root); parent = dirname(parent)) await removeDirectory(parent);
}

/** The prefix of everything a destination holds. In a bucket it is never that of the whole bucket. */
function below(store: StoreSpec): string {
  if (isRooted(store)) return '';
  if (store.path === '') throw new LitestreamError('USAGE', `a dated destination without a path in ${destinationText(store)}`);
  return `${store.path}/`;
}

/** The store is the directory itself: its keys begin below it. */
const isRooted = (store: StoreSpec): boolean => prefixInStore({ ...store, path: 'x' }) === '';

/** Whatever somebody else has put there stays, and so do the directories above it. */
async function removeEmptyDirectories(directory: string): Promise<void> {
  for (const entry of await entriesOf(directory)) if (entry.isDirectory()) await removeEmptyDirectories(join(directory, entry.name));
  await removeDirectory(directory);
}

const removeDirectory = (directory: string): Promise<void> => rmdir(directory).catch(() => {}); // one that is not empty stays

const depthBelow = ({ text, root }: DateTemplate): number => text.slice(root.length).split('/').length;

/** Directories exactly `depth` levels below; none when there is no such directory yet. */
async function directoriesBelow(directory: string, depth: number): Promise<string[]> {
  const children = (await entriesOf(directory)).filter((entry) => entry.isDirectory());
  const paths = children.map(({ name }) => `${directory}${name}`);
  if (depth === 1) return paths;
  const below = await Promise.all(paths.map((path) => directoriesBelow(`${path}/`, depth - 1)));
  return below.flat();
}

/** The first segments of all keys, as many as the template has: one listing for each of them. */
async function prefixesBelow(store: StoreSpec, { root }: DateTemplate, depth: number, signal: AbortSignal | undefined): Promise<string[]> {
  const rooted = isRooted(store);
  const directory = root.replace(/(?<=.)\/$/, '') || (store.type === 'sftp' ? '.' : '');
  const replica = await openReplica({ ...store, path: rooted ? directory : root });
  const prefix = rooted ? '' : root;
  const groupOf = (key: string) => {
    const segments = key.slice(prefix.length).split('/');
    return segments.length > depth ? prefix + segments.slice(0, depth).join('/') : undefined;
  };
  try {
    const groups = await groupsBelow(replica.store, prefix, groupOf, signal);
    return rooted ? groups.map((group) => `${root}${group}`) : groups;
  } finally {
    await replica.close();
  }
}

async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true });
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return [];
    throw new LitestreamError('STORAGE_UNAVAILABLE', `looking for dated destinations in ${directory}`, { cause: error });
  }
}
