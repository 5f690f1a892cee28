/** `litestream rekey`: encrypts the files of a replica for its present recipients. */

import { EXIT } from '../../base/errors.ts';
import type { VerbOutput } from '../../control/control.ts';
import { defineCommand } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { createProgressLine } from '../progress.ts';
import { settleJob } from '../settle-job.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, resolveSubject } from '../source.ts';
import { printable } from '../table.ts';

export const rekey = defineCommand({
  name: 'rekey',
  usage: `Usage: litestream rekey [FLAGS] [DB_PATH]

Encrypts every file of the encrypted replicas of a database anew, for the recipients that are configured now
(age.recipients). Needs the identities the files were encrypted for. Each file is read, verified, encrypted, put
in the place of the old one and read back. A run that is interrupted goes on where it was. A running daemon does it
itself, with its own configuration: restart it first when the recipients have changed.
The exit status is 0 only when no file is left as it was.

Flags:
${CONFIG_USAGE}
  -replica NAME     this replica only (default: each one that is encrypted)
  -dry-run          say what would be done
  -json             print JSON

Examples:
  litestream rekey -dry-run /srv/app/app.db
  litestream rekey -replica offsite /srv/app/app.db
`,
  flags: { ...CONFIG_FLAGS, replica: 'string', 'dry-run': 'bool', json: 'bool' },
  async run({ values, positionals }, door) {
    const { settings, path } = await resolveSubject(door, values, positionals, 'rekey');
    const input = {
      path,
      ...(values.replica === undefined ? {} : { replica: values.replica }),
      dry_run: values['dry-run'] === true,
    };
    const line = createProgressLine(door.stderr);
    const answer = await withControl(
      door,
      settings,
      'live',
      async (control, call) => settleJob(control, call, await control.call('rekey', input, call)),
      { progress: line.update },
    ).finally(line.clear);
    door.stdout.write(values.json === true ? formatJSON(answer) : textAnswer(answer));
    return (answer.replicas ?? []).every(({ outcome }) => outcome !== 'incomplete') ? EXIT.ok : EXIT.failed;
  },
});

type Answer = VerbOutput<'rekey'>;
type Report = NonNullable<Answer['replicas']>[number];

const textAnswer = ({ database, replicas = [] }: Answer): string => replicas.map((report) => textReport(database, report)).join('');

function textReport(database: string, { replica, outcome, files, bytes, recipients, done_before: before, gone, left }: Report): string {
  const subject = `${outcome}: ${printable(database)} on ${printable(replica)}`;
  if (outcome === 'plain') return `${subject}: it is not encrypted\n`;
  const what = outcome === 'planned' ? 'would be encrypted' : 'encrypted';
  const lines = [`${subject}: ${files} files (${bytes} bytes) ${what} for ${recipients} ${recipients === 1 ? 'recipient' : 'recipients'}`];
  if (before > 0) lines.push(`  ${before} files were done by an earlier run`);
  if (gone > 0) lines.push(`  ${gone} files were merged away or expired meanwhile`);
  for (const { file, code, message } of left) lines.push(`  left  ${file} (${code}): ${printable(message)}`);
  return `${lines.join('\n')}\n`;
}
