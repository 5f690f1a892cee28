/** Where calls of AI clients are recorded. */

import { dirname, join } from 'node:path';
import type { Settings } from '../config/settings.ts';

/** The configured file, else one beside the metadata of the first database; nothing without databases. */
export function auditLogOf({ mcp, databases }: Settings): { readonly auditLog?: string } {
  const first = databases[0]?.settings.metaPath;
  const path = mcp.auditLog ?? (first === undefined ? undefined : join(dirname(first), '.litestream-audit.jsonl'));
  return path === undefined ? {} : { auditLog: path };
}
