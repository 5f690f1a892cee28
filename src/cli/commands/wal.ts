/** `litestream wal`: the WAL segments of version 0.3; for LTX data an old name of `ltx`. */

import type { Control, VerbOutput } from '../../control/control.ts';
import type { CallContext } from '../../control/verb.ts';
import { defineCommand } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { readAllPages } from '../paging.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, resolveSubject } from '../source.ts';
import { formatTable, formatTime } from '../table.ts';
import { listFiles } from './ltx.ts';

type Segment = VerbOutput<'wal'>['segments'][number];

export const wal = defineCommand({
  name: 'wal',
  usage: `Usage: litestream wal [FLAGS] DB_PATH | REPLICA_URL

Lists the WAL segments that version 0.3 left at the replica. Where there are none it is an old name of ltx, which lists
the files of this version; -level says at once that those are meant.

Flags:
${CONFIG_USAGE}
  -replica NAME     only this replica
  -generation ID    only this generation, 16 hex digits
  -level LEVEL      as of ltx: 0 to 9, or all
  -json             print JSON

Examples:
  litestream wal /srv/app/app.db
  litestream wal -generation fee51cbedde042a7 file:///srv/backups/app
`,
  flags: { ...CONFIG_FLAGS, replica: 'string', generation: 'string', level: 'string', json: 'bool' },
  async run({ values, positionals }, door) {
    const { generation, level, ...others } = values;
    if (level === undefined) {
      const { settings, path, url } = await resolveSubject(door, values, positionals, 'wal');
      const { segments, warnings } = await withControl(door, settings, 'storage', (control, call) => list(control, call, path, values));
      if (segments.length > 0 || generation !== undefined) {
        for (const { message } of warnings) door.stderr.write(`Warning: ${message}\n`);
        door.stdout.write(
          values.json === true
            ? formatJSON(segments.map((row) => (url === undefined ? row : { ...row, database: url })))
            : tableOf(segments),
        );
        return 0;
      }
    }
    door.stderr.write('Warning: "litestream wal" is deprecated, use "litestream ltx"\n');
    return listFiles({ help: false, values: level === undefined ? others : { ...others, level }, positionals }, door);
  },
});

interface Filter {
  readonly replica?: string;
  readonly generation?: string;
}

/** By replica, generation, index, offset. */
async function list(control: Control, call: CallContext, path: string, { replica, generation }: Filter) {
  const input = { path, ...(replica === undefined ? {} : { replica }), ...(generation === undefined ? {} : { generation }) };
  const pages = await readAllPages((paging) => control.call('wal', { ...input, ...paging }, call));
  // The pages are in descending order of the same keys.
  return { segments: pages.flatMap((page) => page.segments).toReversed(), warnings: pages[0]?.warnings ?? [] };
}

/** The columns of version 0.3 first; index and offset in decimal as there, as hex in the name. */
function tableOf(segments: readonly Segment[]): string {
  const lines = segments.map((row) => [
    row.replica,
    row.generation,
    String(row.index),
    String(row.offset),
    String(row.size),
    formatTime(row.created),
    row.name,
  ]);
  return formatTable([['replica', 'generation', 'index', 'offset', 'size', 'created', 'name'], ...lines]);
}
