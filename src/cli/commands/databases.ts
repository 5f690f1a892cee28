/** `litestream databases`: what is configured, one line each. */

import { defineCommand, refuseArguments } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { readAllPages } from '../paging.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, loadConfig } from '../source.ts';
import { formatTable, printable } from '../table.ts';

export const databases = defineCommand({
  name: 'databases',
  usage: `Usage: litestream databases [FLAGS]

Lists the configured databases and their replicas.

Flags:
${CONFIG_USAGE}
  -json             print JSON

Examples:
  litestream databases
  litestream databases -config litestream.yml -json
`,
  flags: { ...CONFIG_FLAGS, json: 'bool' },
  async run({ values, positionals }, door) {
    refuseArguments(positionals, 'databases');
    const settings = await loadConfig(door, values, values.json === true ? 'none' : 'count');
    const pages = await withControl(door, settings, 'live', (control, call) =>
      readAllPages((paging) => control.call('databases', paging, call)),
    );
    const rows = pages
      .flatMap((page) => page.databases)
      .map((row) => ({ ...row, replica: row.replicas.map(({ type }) => type).join(',') }));
    if (values.json === true) {
      door.stdout.write(formatJSON(rows.map(({ path, replica, ...rest }) => ({ path, replica, ...rest }))));
    } else {
      const lines = rows.map(({ path, replica, name, state }) => [printable(path), replica || '-', name, state]);
      door.stdout.write(formatTable([['path', 'replica', 'name', 'state'], ...lines]));
      for (const { name, state, code, message } of rows)
        if (message !== undefined) door.stderr.write(`${name}: ${state}: ${code ?? ''}: ${printable(message)}\n`);
    }
    return 0;
  },
});
