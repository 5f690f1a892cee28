/** Entry of a short-lived process that finds out who uses a database: `job-lock-probe DATABASE METADATA-DIRECTORY`; prints one word. */

import { existsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { hasCode } from '../base/errors.ts';
import { isInUse } from '../sqlite/in-use.ts';
import { isOwned, OWNER_LOCK_NAME } from '../sqlite/owner-lock.ts';

const [, , database = '', directory = ''] = process.argv;
writeSync(1, hasOwner() ? 'owned' : isInUse(database) ? 'locked' : 'free');
// Without any closing: that would checkpoint the database that was looked at.
process.kill(process.pid, 'SIGKILL');

function hasOwner(): boolean {
  if (!existsSync(join(directory, OWNER_LOCK_NAME))) return false;
  try {
    return isOwned(directory);
  } catch (error) {
    if (hasCode(error, 'DB_BUSY')) return true;
    throw error;
  }
}
