/** `litestream snapshots`: full images of a database, with the columns of version 0.3 first. */

import { defineCommand } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { readAllPages } from '../paging.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, resolveSubject } from '../source.ts';
import { formatTable, formatTime } from '../table.ts';

export const snapshots = defineCommand({
  name: 'snapshots',
  usage: `Usage: litestream snapshots [FLAGS] DB_PATH | REPLICA_URL

Lists the files from which a restore can begin.

Flags:
${CONFIG_USAGE}
  -replica NAME     only this replica
  -generation ID    only this run
  -json             print JSON

Examples:
  litestream snapshots /srv/app/app.db
`,
  flags: { ...CONFIG_FLAGS, replica: 'string', generation: 'string', json: 'bool' },
  async run({ values, positionals }, door) {
    const { settings, path, url } = await resolveSubject(door, values, positionals, 'snapshots');
    const { replica, generation } = values;
    const input = { path, ...(replica === undefined ? {} : { replica }), ...(generation === undefined ? {} : { generation }) };
    const pages = await withControl(door, settings, 'storage', (control, call) =>
      readAllPages((paging) => control.call('snapshots', { ...input, ...paging }, call)),
    );
    for (const { message } of pages[0]?.warnings ?? []) door.stderr.write(`Warning: ${message}\n`);
    const rows = pages.flatMap((page) => page.snapshots).map((row) => (url === undefined ? row : { ...row, database: url }));
    if (values.json === true) {
      door.stdout.write(formatJSON(rows));
      return 0;
    }
    const lines = rows.map((row) => [
      row.replica,
      row.generation,
      row.index,
      String(row.size),
      formatTime(row.created),
      row.min_txid ?? '-',
      row.max_txid ?? '-',
      row.format,
    ]);
    door.stdout.write(formatTable([['replica', 'generation', 'index', 'size', 'created', 'min_txid', 'max_txid', 'format'], ...lines]));
    return 0;
  },
});
