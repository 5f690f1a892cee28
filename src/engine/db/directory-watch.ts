/** File events of the directories that hold databases: one watch per directory and thread, shared (docs/engine.md, Traps that were measured). */

import { type FSWatcher, watch } from 'node:fs';

type Listener = () => void;

/** Every entry of the directory. */
const ANY = '';

interface Watch {
  readonly watcher: FSWatcher;
  /** By name, so that an event costs the same with one database in the directory and with a thousand. */
  readonly listeners: Map<string, Set<Listener>>;
}

const watches = new Map<string, Watch>();

export interface WatchRequest {
  readonly directory: string;
  /** Tells a directory from another one that was made at the same path later. */
  readonly identity: string;
  /** Entries of interest; undefined for all. */
  readonly names: readonly string[] | undefined;
}

/**
 * Calls `listener` when one of the entries changes, and when the system does not say which one did. Nothing below the directory is looked at.
 * Returns how to stop. Undefined when the directory cannot be watched: the interval then has to do.
 */
export function watchDirectory({ directory, identity, names = [ANY] }: WatchRequest, listener: Listener): (() => void) | undefined {
  const key = `${identity} ${directory}`;
  const found = watches.get(key) ?? startWatch(directory, key);
  if (found === undefined) return undefined;
  const { listeners } = found;
  for (const name of names) {
    const set = listeners.get(name) ?? new Set();
    listeners.set(name, set.add(listener));
  }
  return () => {
    for (const name of names) {
      const set = listeners.get(name);
      set?.delete(listener);
      if (set?.size === 0) listeners.delete(name);
    }
    if (listeners.size > 0) return;
    if (watches.get(key) === found) watches.delete(key);
    found.watcher.close();
  };
}

function startWatch(directory: string, key: string): Watch | undefined {
  const listeners: Watch['listeners'] = new Map();
  const tell = (name: string) => {
    for (const listener of listeners.get(name) ?? []) listener();
  };
  const tellAll = () => {
    for (const name of listeners.keys()) tell(name);
  };
  let watcher: FSWatcher;
  try {
    watcher = watch(directory, { persistent: false, recursive: false }, (_event, name) => {
      if (name === null) return tellAll();
      tell(name);
      tell(ANY);
    });
  } catch {
    // Not there, no permission, or no inotify instance left.
    return undefined;
  }
  // A watch that fails later is silent from then on; who comes next makes a new one.
  watcher.on('error', () => {
    watches.delete(key);
    tellAll();
  });
  const made = { watcher, listeners };
  watches.set(key, made);
  return made;
}
