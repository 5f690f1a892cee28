/** `litestream version`: answers without loading anything else. */

import { VERSION } from '../../version.ts';
import { defineCommand } from '../command.ts';

export const version = defineCommand({
  name: 'version',
  usage: `Usage: litestream version [FLAGS]

Flags:
  -verbose          also print the versions of Node and SQLite and the file formats
  -json             print JSON

Examples:
  litestream version -verbose
`,
  flags: { verbose: 'bool', json: 'bool' },
  async run({ values }, door) {
    const facts = { version: VERSION, ...(values.verbose === true ? await buildFacts() : {}) };
    if (values.json === true) {
      const { formatJSON } = await import('../json.ts');
      door.stdout.write(formatJSON(facts));
    } else {
      door.stdout.write(
        Object.entries(facts)
          .map(([name, value]) => (name === 'version' ? `${value}\n` : `${name}: ${value}\n`))
          .join(''),
      );
    }
    return 0;
  },
});

async function buildFacts(): Promise<Record<string, string>> {
  const { sqliteVersion } = await import('../../sqlite/library.ts');
  return {
    node: process.versions.node,
    sqlite: sqliteVersion(),
    platform: `${process.platform}/${process.arch}`,
    writes: 'LTX v3 in blocks (Litestream 0.5.16 and later) or, with page-form: frame, for every 0.5',
    reads: 'LTX v3, both page forms',
  };
}
