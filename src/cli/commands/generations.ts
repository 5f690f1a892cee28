/** `litestream generations`: uninterrupted restorable runs, with the columns of version 0.3 first. */

import { defineCommand } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, resolveSubject } from '../source.ts';
import { formatTable, formatTime } from '../table.ts';

export const generations = defineCommand({
  name: 'generations',
  usage: `Usage: litestream generations [FLAGS] DB_PATH | REPLICA_URL

Lists each uninterrupted run of a replica: what it covers and whether it can be restored.

Flags:
${CONFIG_USAGE}
  -replica NAME     only this replica
  -json             print JSON

Examples:
  litestream generations /srv/app/app.db
`,
  flags: { ...CONFIG_FLAGS, replica: 'string', json: 'bool' },
  async run({ values, positionals }, door) {
    const { settings, path, url } = await resolveSubject(door, values, positionals, 'generations');
    const input = { path, ...(values.replica === undefined ? {} : { replica: values.replica }) };
    const { generations: found, warnings = [] } = await withControl(door, settings, 'storage', (control, call) =>
      control.call('generations', input, call),
    );
    for (const { message } of warnings) door.stderr.write(`Warning: ${message}\n`);
    const rows = found.map((row) => (url === undefined ? row : { ...row, database: url }));
    if (values.json === true) {
      door.stdout.write(formatJSON(rows));
      return 0;
    }
    const lines = rows.map((row) => [
      row.replica,
      row.generation,
      formatLag(row.lag_seconds),
      formatTime(row.start),
      formatTime(row.end),
      row.format,
      row.min_txid ?? '-',
      row.max_txid ?? '-',
      String(row.snapshot_count),
      row.restorable ? 'yes' : 'no',
    ]);
    const header = ['name', 'generation', 'lag', 'start', 'end', 'format', 'min_txid', 'max_txid', 'snapshots', 'restorable'];
    door.stdout.write(formatTable([header, ...lines]));
    return 0;
  },
});

/** As version 0.3 cut it: whole seconds above ten, tenths above one, milliseconds below. No blanks: wrappers split at them. */
export function formatLag(seconds: number | undefined): string {
  if (seconds === undefined) return '-';
  const size = Math.abs(seconds);
  const sign = seconds < 0 ? '-' : '';
  if (size < 1) return `${sign}${Math.trunc(size * 1000)}ms`;
  if (size < 10) return `${sign}${Math.trunc(size * 10) / 10}s`;
  const whole = Math.trunc(size);
  if (whole < 60) return `${sign}${whole}s`;
  if (whole < 3600) return `${sign}${Math.trunc(whole / 60)}m${whole % 60}s`;
  return `${sign}${Math.trunc(whole / 3600)}h${Math.trunc((whole % 3600) / 60)}m${whole % 60}s`;
}
