/** What lies side by side below a prefix, without listing everything in it. */

import type { ObjectStore } from '../storage/object-store.ts';

/**
 * Each different prefix that `groupOf` makes of the keys below `prefix`, in key order, one listing for each: behind a found one the listing
 * goes on after everything that begins with it and a slash. Keys of no group are passed over one by one.
 */
export async function groupsBelow(
  store: ObjectStore,
  prefix: string,
  groupOf: (key: string) => string | undefined,
  signal?: AbortSignal,
): Promise<string[]> {
  const groups: string[] = [];
  let after: string | undefined;
  for (;;) {
    const found = await firstGroup(store, prefix, groupOf, { signal, ...(after === undefined ? {} : { after }) });
    if (found === undefined) return groups;
    groups.push(found);
    // The character behind the slash: nothing lies between.
    after = `${found}0`;
  }
}

async function firstGroup(
  store: ObjectStore,
  prefix: string,
  groupOf: (key: string) => string | undefined,
  options: Parameters<ObjectStore['list']>[1],
): Promise<string | undefined> {
  for await (const { key } of store.list(prefix, options)) {
    const group = groupOf(key);
    if (group !== undefined) return group;
  }
  return undefined;
}
