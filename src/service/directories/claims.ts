/** Which files, local states and destinations belong to which database: nothing may belong to two. */

import { LitestreamError } from '../../base/errors.ts';
import { realPath } from '../../base/real-path.ts';
import { destinationKey, destinationText } from '../../storage/place.ts';
import type { DatabaseEntry } from '../options.ts';

export class Claims {
  readonly #paths = new Map<string, string>();
  readonly #states = new Map<string, string>();
  readonly #destinations = new Map<string, string>();
  readonly #names = new Set<string>();
  /** What was claimed for each database: links may change until it is released. */
  readonly #keys = new Map<string, Keys>();

  /** The file at `path` has a database, whatever it is called there. */
  has(path: string): boolean {
    return this.#paths.has(realPath(path));
  }

  isNameTaken(name: string): boolean {
    return this.#names.has(name);
  }

  /** Claims everything of the entry, or nothing. CONFIG_INVALID when something belongs to another database. */
  claim({ settings, replicas }: DatabaseEntry): void {
    const keys: Keys = {
      path: realPath(settings.path),
      state: realPath(settings.metaPath),
      destinations: replicas.map(({ store }) => destinationKey(store)),
      name: settings.name,
    };
    this.#refuse(settings.path, 'is replicated already, as', this.#paths.get(keys.path));
    this.#refuse(`the local state ${settings.metaPath} of ${settings.path}`, 'is already that of', this.#states.get(keys.state));
    for (const { store } of replicas)
      this.#refuse(
        `${destinationText(store)} for ${settings.path}`,
        'is already a replica of',
        this.#destinations.get(destinationKey(store)),
      );
    this.#paths.set(keys.path, settings.path);
    this.#states.set(keys.state, settings.path);
    for (const key of keys.destinations) this.#destinations.set(key, settings.path);
    this.#names.add(keys.name);
    this.#keys.set(settings.path, keys);
  }

  /** Gives back what the database at `path` (as configured) claimed. */
  release(path: string): void {
    const keys = this.#keys.get(path);
    if (keys === undefined) return;
    this.#keys.delete(path);
    this.#paths.delete(keys.path);
    this.#states.delete(keys.state);
    for (const key of keys.destinations) this.#destinations.delete(key);
    this.#names.delete(keys.name);
  }

  #refuse(what: string, verb: string, owner: string | undefined): void {
    if (owner !== undefined) throw new LitestreamError('CONFIG_INVALID', `${what} ${verb} ${owner}`);
  }
}

interface Keys {
  readonly path: string;
  readonly state: string;
  readonly destinations: readonly string[];
  readonly name: string;
}
