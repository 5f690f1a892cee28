/** Paths without symbolic links, also where a part of them does not exist yet. */

import { realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';

/** The path with the links of its longest existing part resolved. */
export function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}
