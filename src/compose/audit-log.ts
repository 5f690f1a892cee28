/** Where calls of AI clients are recorded. */

import { dirname, join } from 'node:path';
import type { Settings } from '../config/settings.ts';

/**
 * The configured file, else one beside the metadata of the first database, or with that of the first directory; nothing without either.
 * Members do not count: another process may see others.
 */
export function auditLogOf({ mcp, databases, directories }: Settings): { readonly auditLog?: string } {
  const own = databases.find(({ memberOf }) => memberOf === undefined)?.settings.metaPath;
  const first = directories[0];
  const home = own === undefined ? (first?.metaDir ?? first?.metaPath ?? first?.dir) : dirname(own);
  const path = mcp.auditLog ?? (home === undefined ? undefined : join(home, '.litestream-audit.jsonl'));
  return path === undefined ? {} : { auditLog: path };
}
