/** File events of the directories that hold databases: one watch per directory and thread, shared (docs/engine.md, Traps that were measured). */

import { type FSWatcher, watch } from 'node:fs';

type Listener = (name: string | undefined) => void;

interface Watch {
  readonly watcher: FSWatcher;
  readonly listeners: Set<Listener>;
}

const watches = new Map<string, Watch>();

/**
 * Calls `listener` with the name of each entry that changes in `directory` (not below), undefined when the system does not say which.
 * Returns how to stop. Undefined when the directory cannot be watched: the interval then has to do.
 */
export function watchDirectory(directory: string, listener: Listener): (() => void) | undefined {
  const found = watches.get(directory) ?? startWatch(directory);
  if (found === undefined) return undefined;
  found.listeners.add(listener);
  return () => {
    found.listeners.delete(listener);
    if (found.listeners.size > 0) return;
    if (watches.get(directory) === found) watches.delete(directory);
    found.watcher.close();
  };
}

function startWatch(directory: string): Watch | undefined {
  const listeners = new Set<Listener>();
  const tell = (name: string | undefined) => {
    for (const listener of listeners) listener(name);
  };
  let watcher: FSWatcher;
  try {
    watcher = watch(directory, { persistent: false, recursive: false }, (_event, name) => tell(name ?? undefined));
  } catch {
    // Not there, no permission, or no inotify instance left.
    return undefined;
  }
  // A watch that fails later is silent from then on; who comes next makes a new one.
  watcher.on('error', () => {
    watches.delete(directory);
    tell(undefined);
  });
  const made = { watcher, listeners };
  watches.set(directory, made);
  return made;
}
