/** A configured directory of databases: which files are members, and what each of them gets. */

import type { DatabaseEntry } from '../options.ts';

export interface DirectorySettings {
  /** Absolute. */
  readonly dir: string;
  /** Shell pattern of the file name. */
  readonly pattern: string;
  /** Directories below `dir` too. */
  readonly recursive: boolean;
  /** Members come and go while replication runs. */
  readonly watch: boolean;
  /** Root of the members' local state; at most one of the two, else it is beside each file (docs/engine.md, Directories). */
  readonly metaDir?: string;
  readonly metaPath?: string;
  /** Put in front of the members' short names. */
  readonly namePrefix?: string;
  /** What every member gets. Paths, name and destinations in it are those of the directory. */
  readonly template: DatabaseEntry;
  /** Where it is configured. */
  readonly at: { readonly file?: string; readonly line?: number; readonly column?: number; readonly key: string };
}
