/** What belongs to a file of a directory: its entry, its name, and whether it may be a member at all. */

import { basename, dirname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import { compileGlob } from '../../base/glob.ts';
import type { ReplicaSettings } from '../../engine/options.ts';
import type { DatabaseEntry } from '../options.ts';
import type { DirectorySettings } from './options.ts';

/** Files beside a database that are never one, and what a forced restore put aside. */
const SIDE_FILE = /(?:-wal|-shm|-journal|\.replaced-\d{8}T\d{6}Z(?:-\d+)?)$/;
/** Directories of ours: local state, unfinished restores. */
const OWN_DIRECTORY = /^\.(?:.*-litestream|.*\.restoring-\d+-\d+-[0-9a-f]+|litestream-restore-.*)$/s;

/** True for names that no pattern makes members. */
export const isSideFile = (name: string): boolean => SIDE_FILE.test(name);

/** True for directories that are never looked into. */
export const isOwnDirectory = (name: string): boolean => OWN_DIRECTORY.test(name);

/** Tells directories apart: there may be two entries for one, with different patterns. */
export const directoryKey = ({ dir, pattern }: DirectorySettings): string => `${dir}/${pattern}`;

const matchers = new Map<string, (name: string) => boolean>();

/** True when the file name makes a member. A pattern that is none matches nothing; the configuration refuses it. */
export function isMemberName(pattern: string, name: string): boolean {
  let matcher = matchers.get(pattern);
  if (matcher === undefined) {
    matcher = compileGlob(pattern) ?? (() => false);
    matchers.set(pattern, matcher);
  }
  return !isSideFile(name) && matcher(name);
}

/** Path below the directory with forward slashes; undefined when a file there would not be a member. Nothing is looked at. */
export function memberPath(directory: DirectorySettings, path: string): string | undefined {
  const below = relative(directory.dir, path);
  if (!isAbsolute(path) || normalize(path) !== path || below === '' || below.startsWith('..') || isAbsolute(below)) return undefined;
  const parts = below.split(sep);
  if (!directory.recursive && parts.length > 1) return undefined;
  if (parts.slice(0, -1).some(isOwnDirectory) || rootsOf(directory.template, directory).some((root) => isWithin(path, root)))
    return undefined;
  return isMemberName(directory.pattern, basename(path)) ? parts.join('/') : undefined;
}

/** Directories and files below `dir` that hold no members: local state, replicas, mirrors. */
export function rootsOf({ replicas }: DatabaseEntry, { metaDir, metaPath }: Partial<DirectorySettings> = {}): readonly string[] {
  const roots = replicas.flatMap(({ store, mirror }) => [store.type === 'file' ? store.path : undefined, mirror]);
  return [metaDir, metaPath, ...roots].filter((root) => root !== undefined);
}

const isWithin = (path: string, root: string): boolean => path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);

/** The entry of the member at `below`, a path below the directory with forward slashes. */
export function memberEntry(directory: DirectorySettings, below: string, name: string): DatabaseEntry {
  const { template, dir } = directory;
  const path = join(dir, below);
  return {
    ...template,
    memberOf: directoryKey(directory),
    settings: {
      ...template.settings,
      name,
      path,
      metaPath: memberMetaPath(directory, below),
      lockRoot: directory.metaDir ?? directory.metaPath ?? dir,
    },
    replicas: template.replicas.map((replica) => memberReplica(replica, below)),
  };
}

function memberMetaPath({ dir, metaDir, metaPath }: DirectorySettings, below: string): string {
  if (metaDir !== undefined) return join(metaDir, `${below}-litestream`);
  return join(metaPath ?? dir, dirname(below), `.${basename(below)}-litestream`);
}

function memberReplica({ store, mirror, dated, ...rest }: ReplicaSettings, below: string): ReplicaSettings {
  return {
    ...rest,
    store: { ...store, path: join(store.path, below) },
    ...(mirror === undefined ? {} : { mirror: join(mirror, below) }),
    ...(dated === undefined ? {} : { dated: { ...dated, template: join(dated.template, below) } }),
  };
}

/** Longest name. */
const NAME_LENGTH = 64;

/**
 * Short name of a member, from its path below the directory alone, so that it does not change when others come: `acme/data.db` is
 * `acme-data`. Where `isTaken`, the directory's name is put in front, then numbers behind.
 */
export function memberName({ dir, namePrefix }: DirectorySettings, below: string, isTaken: (name: string) => boolean): string {
  const plain = below.replace(/\.[^./]+$/, '');
  const names = [
    [namePrefix, plain],
    [namePrefix, basename(dir), plain],
  ].map((parts) => clean(parts.filter((part) => part !== undefined).join('-')));
  const free = names.find((name) => !isTaken(name));
  if (free !== undefined) return free;
  for (let number = 2; ; number++) {
    const name = `${(names[1] ?? 'db').slice(0, NAME_LENGTH - 8)}-${number}`;
    if (!isTaken(name)) return name;
  }
}

/** Letters that survive in a name; everything else becomes a hyphen. */
const clean = (text: string): string =>
  text
    .replace(/[^A-Za-z0-9._-]+/g, '-')
    .replace(/^[-.]+/, '')
    .slice(0, NAME_LENGTH) || 'db';
