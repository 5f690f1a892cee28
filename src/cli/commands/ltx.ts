/** `litestream ltx`: the files of a replica by level. */

import { LitestreamError } from '../../base/errors.ts';
import { defineCommand } from '../command.ts';
import { withControl } from '../connect.ts';
import type { Door } from '../door.ts';
import type { ParsedFlags } from '../flags.ts';
import { formatJSON } from '../json.ts';
import { readAllPages } from '../paging.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, resolveSubject } from '../source.ts';
import { formatTable, formatTime } from '../table.ts';

const FLAGS = { ...CONFIG_FLAGS, level: 'string', replica: 'string', json: 'bool' } as const;

export const ltx = defineCommand({
  name: 'ltx',
  usage: `Usage: litestream ltx [FLAGS] DB_PATH | REPLICA_URL

Lists the files of one level of the replica. Level 0 holds the newest changes, 9 the snapshots.

Flags:
${CONFIG_USAGE}
  -level LEVEL      0 to 9, or all (default: 0)
  -replica NAME     only this replica
  -json             print JSON

Examples:
  litestream ltx /srv/app/app.db
  litestream ltx -level all file:///srv/backups/app
`,
  flags: FLAGS,
  run: listFiles,
});

/** What `ltx` does, under its old name too. */
export async function listFiles({ values, positionals }: ParsedFlags<typeof FLAGS>, door: Door): Promise<number> {
  const level = parseLevel(values.level ?? '0');
  const { settings, path } = await resolveSubject(door, values, positionals, 'ltx');
  const input = { path, ...(level === undefined ? {} : { level }), ...(values.replica === undefined ? {} : { replica: values.replica }) };
  const pages = await withControl(door, settings, 'storage', (control, call) =>
    readAllPages((paging) => control.call('ltx', { ...input, ...paging }, call)),
  );
  for (const { message } of pages[0]?.warnings ?? []) door.stderr.write(`Warning: ${message}\n`);
  // TXIDs have a fixed width: text order is their order.
  const files = pages
    .flatMap((page) => page.files)
    .toSorted((a, b) => a.level - b.level || compare(a.min_txid, b.min_txid) || compare(a.replica, b.replica));
  const rows = files.map((file) => ({ ...file, created: formatTime(file.created) }));
  if (values.json === true) {
    door.stdout.write(
      formatJSON(
        rows.map(({ level: at, min_txid, max_txid, size, created, replica }) => ({
          level: at,
          min_txid,
          max_txid,
          size,
          timestamp: created,
          replica,
        })),
      ),
    );
  } else {
    const lines = rows.map((row) => [String(row.level), row.min_txid, row.max_txid, String(row.size), row.created, row.replica]);
    door.stdout.write(formatTable([['level', 'min_txid', 'max_txid', 'size', 'created', 'replica'], ...lines]));
  }
  return 0;
}

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

function parseLevel(text: string): number | undefined {
  if (text === 'all') return undefined;
  if (/^[0-9]$/.test(text)) return Number(text);
  throw new LitestreamError('USAGE', `-level is 0 to 9 or all, not "${text}"`);
}
