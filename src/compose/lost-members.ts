/** What a lost directory of databases is restored from when replication starts. */

import type { Logger } from '../base/log.ts';
import type { Settings } from '../config/settings.ts';
import { findLostMembers } from '../service/directories/lost.ts';
import { directoryKey } from '../service/directories/member.ts';
import type { DatabaseEntry } from '../service/options.ts';

/**
 * The databases to start, with the members of each directory that wants to be restored and has none left: then the directory was lost, and
 * whatever its file replicas hold comes back. Where one member is there, those that are not were removed on purpose.
 */
export async function withLostMembers({ databases, directories, disabled = [] }: Settings, log: Logger): Promise<readonly DatabaseEntry[]> {
  const entries = [...databases];
  for (const directory of directories) {
    if (!directory.template.restoreIfMissing || databases.some(({ memberOf }) => memberOf === directoryKey(directory))) continue;
    const lost = await findLostMembers(directory, [...entries, ...disabled]);
    if (lost.length > 0)
      log.log('info', 'no database is left in the directory; what its replicas hold is restored', {
        directory: directory.dir,
        databases: lost.length,
      });
    entries.push(...lost);
  }
  return entries;
}
