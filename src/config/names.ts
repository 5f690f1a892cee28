/** Short database names that people and models may say instead of a path. */

import { basename, dirname, extname } from 'node:path';

/** Letters that survive in a name; everything else becomes a hyphen. */
export const shortName = (text: string): string =>
  text
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[-.]+/, '')
    .slice(0, 64) || 'db';

/**
 * Names for database paths: the file name without its extension; where that is taken twice, with the directory's name in front,
 * and with a number where even that is.
 * @param given explicit names by path, kept as they are.
 */
export function databaseNames(paths: readonly string[], given: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const names = new Map(given);
  const taken = new Set(given.values());
  const short = (path: string) => shortName(basename(path, extname(path)));
  const free = paths.filter((path) => !given.has(path));
  const uses = new Map<string, number>();
  for (const path of free) uses.set(short(path), (uses.get(short(path)) ?? 0) + 1);
  for (const path of free) {
    const alone = uses.get(short(path)) === 1 && !taken.has(short(path));
    const wanted = alone ? short(path) : shortName(`${basename(dirname(path)) || 'root'}-${short(path)}`);
    let name = wanted;
    for (let number = 2; taken.has(name); number++) name = `${wanted}-${number}`;
    taken.add(name);
    names.set(path, name);
  }
  return names;
}
