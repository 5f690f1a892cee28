/** `litestream repair`: mends a replica with whole files of another one. */

import { EXIT } from '../../base/errors.ts';
import type { VerbOutput } from '../../control/control.ts';
import { defineCommand } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { createProgressLine } from '../progress.ts';
import { settleJob } from '../settle-job.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, resolveSubject } from '../source.ts';
import { printable } from '../table.ts';

export const repair = defineCommand({
  name: 'repair',
  usage: `Usage: litestream repair [FLAGS] [DB_PATH]

Reads every file of the replicas of a database, and copies what is damaged or missing at one of them from another
that has it whole and provably holds the same history. Copies are verified before they are written. Where nothing
can be copied and the newest state cannot be restored, a running daemon writes a snapshot.
The exit status is 0 only when every replica is whole in the end.

Flags:
${CONFIG_USAGE}
  -replica NAME     repair this replica only (default: each one)
  -from NAME        copy from this replica only (default: any other)
  -quick            look for holes only, without reading the files
  -dry-run          say what would be done
  -json             print JSON

Examples:
  litestream repair -dry-run /srv/app/app.db
  litestream repair -replica offsite -from nearby /srv/app/app.db
`,
  flags: { ...CONFIG_FLAGS, replica: 'string', from: 'string', quick: 'bool', 'dry-run': 'bool', json: 'bool' },
  async run({ values, positionals }, door) {
    const { settings, path } = await resolveSubject(door, values, positionals, 'repair');
    const input = {
      path,
      ...(values.replica === undefined ? {} : { replica: values.replica }),
      ...(values.from === undefined ? {} : { from: values.from }),
      quick: values.quick === true,
      dry_run: values['dry-run'] === true,
    };
    const line = createProgressLine(door.stderr);
    const answer = await withControl(
      door,
      settings,
      'live',
      async (control, call) => settleJob(control, call, await control.call('repair', input, call)),
      { progress: line.update },
    ).finally(line.clear);
    door.stdout.write(values.json === true ? formatJSON(answer) : textAnswer(answer));
    for (const { message } of answer.warnings ?? []) door.stderr.write(`Warning: ${printable(message)}\n`);
    const isWell = (answer.replicas ?? []).every(
      ({ outcome }) => outcome === 'whole' || outcome === 'repaired' || outcome === 'repairable',
    );
    return isWell ? EXIT.ok : EXIT.failed;
  },
});

type Answer = VerbOutput<'repair'>;
type Report = NonNullable<Answer['replicas']>[number];

const textAnswer = ({ database, dry_run: isDryRun, replicas = [] }: Answer): string =>
  replicas.map((report) => textReport(database, report, isDryRun)).join('\n');

function textReport(database: string, report: Report, isDryRun: boolean): string {
  const { replica, outcome, files, checked, snapshot } = report;
  const lines = [`${outcome}: ${printable(database)} on ${replica}: ${files} files ${checked === 'files' ? 'read' : 'listed'}`];
  for (const { file, code } of report.damaged) lines.push(`  damaged  ${file} (${code})`);
  for (const { file, from, replaced } of report.copied) {
    const doing = isDryRun ? (replaced ? 'would be replaced' : 'would be copied') : replaced ? 'replaced' : 'copied';
    lines.push(`  ${doing}  ${file} from ${printable(from)}`);
  }
  for (const { file, reason } of report.left) lines.push(`  left  ${file}: ${printable(reason)}`);
  for (const { first, last } of report.lost) lines.push(`  lost  transactions ${first} to ${last}: no replica has them`);
  if (snapshot?.txid !== undefined) lines.push(`  snapshot  written at TXID ${snapshot.txid}`);
  else if (snapshot !== undefined) {
    lines.push('  snapshot  needed: the newest state cannot be restored from here');
    if (!isDryRun) lines.push('            run this again while litestream replicates the database, and it writes one');
  }
  return `${lines.join('\n')}\n`;
}
