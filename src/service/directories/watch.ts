/** File events of one directory, never of what lies below it (docs/engine.md, Traps that were measured). */

import { watch } from 'node:fs';
import { LitestreamError } from '../../base/errors.ts';
import { systemCode } from '../../base/system-error.ts';

/** `change`: the content of a file; `rename`: something came, went or was renamed. Without a name: anything may have happened. */
export type OnEvent = (type: 'rename' | 'change', name: string | null) => void;

export interface DirectoryWatch {
  close(): void;
}

/** Throws STORAGE_UNAVAILABLE or ACCESS_DENIED when the directory cannot be watched. `onLost` is called once when that becomes so later. */
export type WatchDirectory = (path: string, onEvent: OnEvent, onLost: (error: LitestreamError) => void) => DirectoryWatch;

export const watchDirectory: WatchDirectory = (path, onEvent, onLost) => {
  try {
    const watcher = watch(path, { persistent: false, recursive: false }, onEvent);
    watcher.on('error', (error) => {
      watcher.close();
      onLost(watchError(error, path));
    });
    return watcher;
  } catch (error) {
    throw watchError(error, path);
  }
};

/** What to do about the limits of the system, which are low where nobody has raised them. */
const HINTS: Readonly<Record<string, string>> = {
  ENOSPC: 'Raise fs.inotify.max_user_watches.',
  EMFILE: 'Raise fs.inotify.max_user_instances, or the limit of open files.',
};

function watchError(cause: unknown, path: string): LitestreamError {
  const code = systemCode(cause) ?? '';
  const hint = HINTS[code];
  const isDenied = code === 'EACCES' || code === 'EPERM';
  return new LitestreamError(isDenied ? 'ACCESS_DENIED' : 'STORAGE_UNAVAILABLE', `watching the directory ${path}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
  });
}
