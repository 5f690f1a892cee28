/** `litestream reset`: begins the local replication state of a database anew. */

import { LitestreamError } from '../../base/errors.ts';
import { formatSize } from '../../base/size.ts';
import type { VerbOutput } from '../../control/control.ts';
import { defineCommand } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, isReplicaURL, resolveSubject } from '../source.ts';

export const reset = defineCommand({
  name: 'reset',
  usage: `Usage: litestream reset [FLAGS] DB_PATH

Begins the local replication state of a database anew. Neither the database nor any replica is
touched; the next file is a full one, behind everything the replicas hold. A running daemon
does it itself. The local files of before are moved aside until the replicas are beyond them.

Flags:
${CONFIG_USAGE}
  -dry-run          show what would be moved, and change nothing
  -json             print JSON

Examples:
  litestream reset /srv/app/app.db
`,
  flags: { ...CONFIG_FLAGS, 'dry-run': 'bool', json: 'bool' },
  async run({ values, positionals }, door) {
    const [text] = positionals;
    if (text === undefined || isReplicaURL(text)) {
      throw new LitestreamError('USAGE', 'reset takes the path of a database', { hint: 'litestream reset /path/to/db' });
    }
    const { settings, path } = await resolveSubject(door, values, positionals, 'reset');
    const dryRun = values['dry-run'] === true;
    const answer = await withControl(door, settings, 'live', (control, call) => control.call('reset', { path, dry_run: dryRun }, call));
    door.stdout.write(values.json === true ? formatJSON(answer) : textAnswer(answer));
    return 0;
  },
});

function textAnswer({ path, directory, outcome, files, bytes, names = [], kept_in: keptIn, next_txid: next }: VerbOutput<'reset'>): string {
  const amount = `${files} ${files === 1 ? 'file' : 'files'}, ${formatSize(bytes)}`;
  switch (outcome) {
    case 'dry_run': {
      const list = names.map((name) => `  ${name}\n`).join('');
      return `Would move aside ${directory} (${amount}):\n${list}Dry run: nothing was changed.\n`;
    }
    case 'nothing':
      return `Nothing to reset: ${path} has no local replication state.\n`;
    case 'reset': {
      const moved = keptIn === undefined ? 'There were no local files.' : `Moved aside: ${keptIn} (${amount})`;
      return `Reset ${path}\n${moved}\nNext: a full file${next === undefined ? '' : `, TXID ${next}`}\n`;
    }
  }
}
