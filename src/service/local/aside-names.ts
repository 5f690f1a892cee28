/** Where what only we have is kept when another process has taken a replica over, and how it is restored (docs/engine.md, Fencing and leases). */

import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseSettings } from '../../engine/options.ts';

const STAMP = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d\.\d{3})Z$/;

export interface KeptAside {
  readonly path: string;
  /** When the other writer was noticed, ms since the epoch. */
  readonly at: number;
}

/** A new one for `replica`. */
export function asidePath(metaPath: string, replica: string, at: number): string {
  return join(metaPath, 'aside', `${stem(replica)}${new Date(at).toISOString().replace(/[-:]/g, '')}`);
}

/** Those that are complete, oldest first; none where the directory cannot be read. */
export async function listAside(metaPath: string, replica: string): Promise<readonly KeptAside[]> {
  const directory = join(metaPath, 'aside');
  const names = await readdir(directory).catch(() => []);
  return names
    .filter((name) => name.startsWith(stem(replica)))
    .sort()
    .flatMap((name) => {
      const at = Date.parse(name.slice(stem(replica).length).replace(STAMP, '$1-$2-$3T$4:$5:$6Z'));
      return STAMP.test(name.slice(stem(replica).length)) && !Number.isNaN(at) ? [{ path: join(directory, name), at }] : [];
    });
}

/** The command that restores one beside the database. */
export const restoreAside = ({ path }: Pick<DatabaseSettings, 'path'>, aside: string): string =>
  `litestream restore -o ${shellWord(`${path}.kept`)} ${shellWord(`file://${aside}`)}`;

const stem = (replica: string): string => `${encodeURIComponent(replica)}-`;

/** For a shell, quoted where it has to be. */
const shellWord = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
