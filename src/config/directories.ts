/** Directories of databases: which files are members, as far as the text of the configuration says it. */

import { basename } from 'node:path';
import { compileGlob } from '../base/glob.ts';
import type { DirectorySettings } from '../service/directories/options.ts';
import type { DatabaseDraft, DatabaseValues } from './database-draft.ts';
import type { MapNode } from './document.ts';
import type { Environment } from './expand.ts';
import type { Findings, Place } from './findings.ts';
import { absolutePath, isURL } from './paths.ts';
import type { Placed } from './section.ts';

/** Members are many and mostly idle: each is closed after so long without a change, ms. */
export const DEFAULT_COLD_AFTER_MS = 300_000;

const NAME = /^[A-Za-z0-9._-]{1,40}$/;
const ONLY_WITH_DIR = ['pattern', 'recursive', 'watch', 'meta-dir'] as const;

/** The entry of `dbs` is a directory. */
export const isDirectory = (node: MapNode): boolean => node.entries.has('dir') && node.entries.get('dir')?.kind !== 'null';

/** Reports keys of directories in the entry of a single database. */
export function refuseDirectoryKeys(values: DatabaseValues, findings: Findings): void {
  for (const key of ONLY_WITH_DIR) {
    const value = values[key];
    if (value === undefined) continue;
    if (key === 'watch' || key === 'meta-dir') findings.error(value.at, `${key} is for directories: it needs dir`);
    else findings.warning(value.at, `no effect without dir`);
  }
}

/** A directory on its way to its settings. */
export interface DirectoryDraft {
  readonly place: Omit<DirectorySettings, 'template'>;
  /** As if the directory were a database, for the settings of its members. */
  readonly draft: DatabaseDraft;
}

/** What the keys of a directory say; undefined, with findings, when it cannot be used. */
export function readPlace(
  values: DatabaseValues,
  node: MapNode,
  env: Environment,
  findings: Findings,
): Omit<DirectorySettings, 'template'> | undefined {
  const { dir, path, name } = values;
  if (path !== undefined) findings.error(path.at, 'path and dir are both given; use one of them');
  if (dir === undefined) return undefined;
  if (dir.value === '' || isURL(dir.value)) {
    findings.error(dir.at, 'this is not a directory');
    return undefined;
  }
  const pattern = readPattern(values.pattern, node.at, findings);
  if (name !== undefined && !NAME.test(name.value))
    findings.error(name.at, 'a name for the members of dir begins with 1 to 40 letters, digits, dots, underscores or hyphens');
  const metaDir = values['meta-dir'];
  const metaPath = values['meta-path'];
  if (metaDir !== undefined && metaPath !== undefined) findings.error(metaDir.at, 'meta-dir and meta-path are both given; use one of them');
  if (pattern === undefined || path !== undefined) return undefined;
  return {
    dir: absolutePath(dir.value, env),
    pattern,
    recursive: values.recursive?.value ?? false,
    watch: values.watch?.value ?? false,
    ...(metaDir === undefined ? {} : { metaDir: absolutePath(metaDir.value, env) }),
    ...(metaPath === undefined ? {} : { metaPath: absolutePath(metaPath.value, env) }),
    ...(name === undefined ? {} : { namePrefix: name.value }),
    at: dir.at,
  };
}

function readPattern(pattern: Placed<string> | undefined, at: Place, findings: Findings): string | undefined {
  if (pattern === undefined || pattern.value === '') {
    findings.error(pattern?.at ?? at, 'dir needs a pattern of file names, such as "*.db"');
    return undefined;
  }
  const { value } = pattern;
  if (value.includes('/')) {
    findings.error(pattern.at, 'a pattern is for the name of a file; directories below dir are included with recursive');
    return undefined;
  }
  if (compileGlob(value) === undefined) {
    findings.error(pattern.at, `"${value}" is not a shell pattern: a bracket is open, a range runs backwards, or a backslash ends it`);
    return undefined;
  }
  if (value.includes('**')) findings.warning(pattern.at, '"**" means no more than "*"; directories below dir are included with recursive');
  if (/[{}]/.test(value)) findings.warning(pattern.at, 'braces stand for themselves; write one entry for each pattern');
  return value;
}

/** The short name of a directory in its template, which nobody sees. */
export const directoryName = (dir: string): string => basename(dir) || 'root';
