/** Which SQLite library this process runs, and whether live databases may be entrusted to it. */

import Database from 'better-sqlite3';
import { LitestreamError } from '../base/errors.ts';

/** Older libraries can corrupt a database when a WAL restart races a checkpoint (https://sqlite.org/releaselog/3_51_3.html). */
export const MIN_SQLITE_VERSION = '3.51.3';

let cached: string | undefined;

/** Version of the library in this process, such as `3.54.1`. */
export function sqliteVersion(): string {
  if (cached === undefined) {
    const memory = new Database(':memory:');
    cached = String(memory.prepare('SELECT sqlite_version()').pluck().get());
    memory.close();
  }
  return cached;
}

/** Throws SQLITE_TOO_OLD when `version` (default: the library of this process) is older than MIN_SQLITE_VERSION. */
export function requireSQLiteVersion(version: string = sqliteVersion()): void {
  if (compareVersions(version, MIN_SQLITE_VERSION) >= 0) return;
  throw new LitestreamError(
    'SQLITE_TOO_OLD',
    `checking the SQLite library: version ${version} can corrupt a live database, ${MIN_SQLITE_VERSION} is needed`,
    {
      details: { version, needed: MIN_SQLITE_VERSION },
      hint: 'Reinstall the dependencies with npm ci, so that the bundled SQLite is used.',
    },
  );
}

function compareVersions(a: string, b: string): number {
  const [left, right] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
