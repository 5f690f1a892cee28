/** The LTX files below a prefix, in order, as the names of objects tell them: plain or encrypted, whatever the replica makes of it. */

import { LitestreamError } from '../base/errors.ts';
import { parseLTXName } from '../formats/ltx/filename.ts';
import { formatTXID, NO_TXID, type TXID } from '../formats/ltx/txid.ts';
import { compareKeys } from '../storage/key.ts';
import type { CallOptions, ObjectInfo, ObjectStore } from '../storage/object-store.ts';
import { ENCRYPTED_SUFFIX } from './encrypted/encryption.ts';
import { type FileInfo, LEVELS, type Level } from './file-info.ts';
import type { Layout } from './layout.ts';

/** Where the files of a replica are. */
export interface FilePlace {
  readonly store: ObjectStore;
  readonly layout: Layout;
  /** Of all keys of the replica. */
  readonly prefix: string;
}

/** An object whose name is that of an LTX file. */
export interface ListedFile {
  readonly key: string;
  readonly form: 'plain' | 'encrypted';
  readonly file: FileInfo;
  /** The store knows no better time than its own; see `ObjectInfo.exactTime`. */
  readonly isTimeLost: boolean;
}

/** The files of one level whose minTXID is not below `seek`. NOT_SUPPORTED when the store does not keep to the order. */
export async function* filesOfLevel(
  { store, layout, prefix }: FilePlace,
  level: Level,
  { seek, signal }: CallOptions & { readonly seek: TXID },
): AsyncGenerator<ListedFile, void, undefined> {
  const levelPrefix = layout.levelPrefix(prefix, level);
  // Every name from `seek` on is longer than the bare TXID and so comes after it.
  const start = seek === NO_TXID ? {} : { after: levelPrefix + formatTXID(seek) };
  for await (const object of ordered(store, levelPrefix, { ...start, signal })) {
    const file = fileOf(object, level, levelPrefix);
    if (file !== undefined) yield file;
  }
}

/** The files of the levels from `from` on in one listing, the lowest first. NOT_SUPPORTED when the store does not keep to the order. */
export async function* filesOfAllLevels(
  { store, layout, prefix }: FilePlace,
  { from, signal }: CallOptions & { readonly from: Level },
): AsyncGenerator<ListedFile, void, undefined> {
  const levels = LEVELS.slice(from).map((level) => ({ level, levelPrefix: layout.levelPrefix(prefix, level) }));
  const [first, last] = [levels[0]?.levelPrefix ?? '', levels.at(-1)?.levelPrefix ?? ''];
  for await (const object of ordered(store, layout.levelsPrefix(prefix), { after: first, signal })) {
    const place = levels.find(({ levelPrefix }) => object.key.startsWith(levelPrefix));
    const file = place && fileOf(object, place.level, place.levelPrefix);
    if (file !== undefined) yield file;
    // Other things of the same place come behind, data of version 0.3 among them.
    else if (place === undefined && compareKeys(object.key, last) > 0) return;
  }
}

/** Everything goes by the order, and a listing that breaks off is taken up behind its last key. */
async function* ordered(
  store: ObjectStore,
  prefix: string,
  options: CallOptions & { readonly after?: string },
): AsyncGenerator<ObjectInfo, void, undefined> {
  let last = '';
  for await (const object of store.list(prefix, options)) {
    if (object.key === last) continue;
    if (compareKeys(object.key, last) < 0) throw disordered(store.destination, last, object.key);
    last = object.key;
    yield object;
  }
}

/** Undefined for what is no LTX file. */
function fileOf({ key, size, createdAt, exactTime }: ObjectInfo, level: Level, prefix: string): ListedFile | undefined {
  const name = key.slice(prefix.length);
  const isEncrypted = name.endsWith(ENCRYPTED_SUFFIX);
  const range = parseLTXName(isEncrypted ? name.slice(0, -ENCRYPTED_SUFFIX.length) : name);
  if (range === undefined) return undefined;
  const form = isEncrypted ? 'encrypted' : 'plain';
  return { key, form, file: { level, ...range, size, createdAt }, isTimeLost: exactTime === false };
}

const disordered = (destination: string, last: string, key: string): LitestreamError =>
  new LitestreamError(
    'NOT_SUPPORTED',
    `listing ${destination}: ${key} comes after ${last}, and a listing has to be in the order of its keys`,
    {
      hint: 'Use a service that lists objects in order; nothing was changed there.',
    },
  );
