/** Where values came from, for the printed configuration. */

import { basename } from 'node:path';
import type { ConfigNode, MapNode } from './document.ts';
import type { Environment } from './expand.ts';

/** Variables that win over the file, and the key each of them sets. */
const VARIABLES: Readonly<Record<string, string>> = {
  LITESTREAM_MCP_TOKEN: 'mcp.token',
  LOG_LEVEL: 'logging.level',
  LITESTREAM_STRICT: 'strict',
  LITESTREAM_RETENTION: 'snapshot.retention',
};

/** Origins by canonical key path: `replica` is `replicas[0]`. */
export function collectOrigins(root: MapNode, flags: { readonly strict?: boolean }, env: Environment): Readonly<Record<string, string>> {
  const origins: Record<string, string> = {};
  visit(root, origins);
  for (const [variable, key] of Object.entries(VARIABLES)) if (env[variable]) origins[key] = `$${variable}`;
  if (flags.strict !== undefined) origins.strict = '-strict';
  return origins;
}

function visit(node: ConfigNode, origins: Record<string, string>): void {
  if (node.kind === 'map') for (const child of node.entries.values()) visit(child, origins);
  if (node.kind === 'list') for (const child of node.items) visit(child, origins);
  if (node.kind === 'null' || node.kind === 'map') return;
  const { file, line, key } = node.at;
  const from = node.kind === 'scalar' && node.expanded ? ', environment' : '';
  origins[key.replace(/^(dbs\[\d+\])\.replica\./, '$1.replicas[0].')] = `${basename(file ?? '')}:${line}${from}`;
}
