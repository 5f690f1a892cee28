/** Finds data written by the original program that is not part of the repository; tests that need it skip with a reason when it is absent. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = process.env.LITESTREAM_SHARED_FIXTURES ?? fileURLToPath(new URL('../../../shared/fixtures', import.meta.url));

/** The folder `part` (such as `upstream`) of the shared fixtures; undefined, with the reason printed, when it is absent. */
export function sharedFixtures(part: string): string | undefined {
  const path = join(ROOT, part);
  if (existsSync(path)) return path;
  console.warn(`skipped: the shared fixtures are not here (${path}); set LITESTREAM_SHARED_FIXTURES to their folder`);
  return undefined;
}
