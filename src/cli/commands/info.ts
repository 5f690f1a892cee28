/** `litestream info`: the running daemon. */

import { formatDuration } from '../../base/duration.ts';
import { defineCommand, refuseArguments } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { SOCKET_FLAGS, SOCKET_USAGE, socketTimeout } from '../socket-flags.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, loadConfig } from '../source.ts';
import { printable } from '../table.ts';

export const info = defineCommand({
  name: 'info',
  usage: `Usage: litestream info [FLAGS]

Asks the daemon of the configured databases for its version, uptime and number of databases. Fails when none runs.

Flags:
${CONFIG_USAGE}
${SOCKET_USAGE}
  -json             print JSON

Examples:
  litestream info
`,
  flags: { ...CONFIG_FLAGS, ...SOCKET_FLAGS, json: 'bool' },
  async run({ values, positionals }, door) {
    refuseArguments(positionals, 'info');
    const timeoutMs = socketTimeout(values, 10);
    const settings = await loadConfig(door, values, values.json === true ? 'none' : 'count');
    const answer = await withControl(door, settings, 'daemon', (control, call) => control.call('info', {}, call), { timeoutMs });
    const { server, databases } = answer;
    const uptime = Math.floor(server.uptime_seconds ?? 0);
    if (values.json === true) {
      const { version, pid, started_at } = server;
      door.stdout.write(formatJSON({ version, pid, uptime_seconds: uptime, started_at, database_count: databases.total, ...answer }));
      return 0;
    }
    door.stdout.write(
      `Litestream ${server.version}
  PID: ${server.pid ?? '-'}
  Uptime: ${formatDuration(uptime * 1000)}
  Started at: ${server.started_at ?? '-'}
  Databases: ${databases.total}${databases.disabled === 0 ? '' : `, ${databases.disabled} disabled`}
`,
    );
    for (const row of answer.worst)
      door.stdout.write(
        `  Worst: ${row.database} is ${row.state}${row.code === undefined ? '' : ` (${row.code})`}${row.message === undefined ? '' : `: ${printable(row.message)}`}\n`,
      );
    return 0;
  },
});
