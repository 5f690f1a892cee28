/** `litestream mcp`: serves AI clients over stdin and stdout. */

import { LitestreamError } from '../../base/errors.ts';
import { SCOPES } from '../../control/caller.ts';
import { defineCommand, refuseArguments } from '../command.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, loadConfig } from '../source.ts';

export const mcp = defineCommand({
  name: 'mcp',
  usage: `Usage: litestream mcp [FLAGS]

Speaks the Model Context Protocol over stdin and stdout. Attaches to the running daemon where there is one; without it
the tools that only need replicas still work. Nothing but protocol lines is written to stdout.

Flags:
${CONFIG_USAGE}
  -read-only        nothing is changed (default: mcp.read-only, which is true unless configured)
  -scopes LIST      comma list of read, data, operate, restore (default: read)

Examples:
  litestream mcp -config litestream.yml
  litestream mcp -read-only=false -scopes read,restore
`,
  flags: { ...CONFIG_FLAGS, 'read-only': 'bool', scopes: 'string' },
  async run({ values, positionals }, door) {
    refuseArguments(positionals, 'mcp');
    const settings = await loadConfig(door, values, 'all');
    const readOnly = values['read-only'] ?? settings.mcp.readOnly;
    // What the file says is an upper bound; its silence is not.
    if (!readOnly && settings.mcp.readOnly && settings.origins?.['mcp.read-only'] !== undefined) {
      throw new LitestreamError(
        'USAGE',
        `mcp.read-only is true in ${settings.configPath ?? 'the configuration'}, which -read-only=false cannot lift`,
      );
    }
    await door.serveMCPStdio(settings, { readOnly, scopes: parseScopes(values.scopes ?? 'read') });
    return 0;
  },
});

function parseScopes(text: string): readonly string[] {
  const words = text.split(',').map((word) => word.trim());
  const unknown = words.find((word) => !SCOPES.some((scope) => scope === word));
  if (unknown !== undefined)
    throw new LitestreamError('USAGE', `-scopes is a comma list of ${SCOPES.join(', ')}; "${unknown}" is none of them`);
  return [...new Set(words)];
}
