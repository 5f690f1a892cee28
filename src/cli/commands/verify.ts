/** `litestream verify`: proves that a backup restores. */

import { EXIT, LitestreamError } from '../../base/errors.ts';
import type { VerbOutput } from '../../control/control.ts';
import { defineCommand, wordFlag } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { createProgressLine } from '../progress.ts';
import { settleJob } from '../settle-job.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, loadConfig, refuseDisabled, resolveSubject } from '../source.ts';
import { formatTable, printable } from '../table.ts';

export const verify = defineCommand({
  name: 'verify',
  usage: `Usage: litestream verify [FLAGS] [DB_PATH | REPLICA_URL]

Restores to a scratch file, checks it, and compares it page by page with the live database when a daemon runs.
Without a database: all of them. The exit status is 0 only when everything passed; inconclusive is not passed.

Flags:
${CONFIG_USAGE}
  -replica NAME     this replica (default: the best one)
  -txid TXID        at this transaction
  -timestamp TIME   just before this moment, RFC 3339 or an age such as -15m
  -check KIND       quick or full (default: quick)
  -compare KIND     auto, live or none (default: auto)
  -json             print JSON

Examples:
  litestream verify
  litestream verify -check full /srv/app/app.db
`,
  flags: { ...CONFIG_FLAGS, replica: 'string', txid: 'string', timestamp: 'string', check: 'string', compare: 'string', json: 'bool' },
  async run({ values, positionals }, door) {
    const { replica, txid, timestamp } = values;
    if (txid !== undefined && timestamp !== undefined) throw new LitestreamError('USAGE', '-txid and -timestamp exclude each other');
    const input = {
      ...(replica === undefined ? {} : { replica }),
      ...(txid === undefined ? {} : { txid }),
      ...(timestamp === undefined ? {} : { timestamp }),
      check: wordFlag('check', values.check, ['quick', 'full']) ?? 'quick',
      compare: wordFlag('compare', values.compare, ['auto', 'live', 'none']) ?? 'auto',
    } as const;
    const { settings, paths, url } = await subjects();
    const line = createProgressLine(door.stderr);
    const answers = await withControl(
      door,
      settings,
      'live',
      async (control, call) => {
        const done: VerbOutput<'verify'>[] = [];
        for (const path of paths) {
          const answer = await settleJob(control, call, await control.call('verify', { path, ...input }, call));
          done.push(url === undefined ? answer : { ...answer, database: url });
        }
        return done;
      },
      { progress: line.update },
    ).finally(line.clear);
    door.stdout.write(
      values.json === true ? formatJSON(positionals.length > 0 ? answers[0] : answers) : answers.map(textAnswer).join('\n'),
    );
    return answers.every(({ outcome }) => outcome === 'passed') ? EXIT.ok : EXIT.failed;

    async function subjects() {
      if (positionals.length > 0) {
        const one = await resolveSubject(door, values, positionals, 'verify');
        return { settings: one.settings, paths: [one.path], url: one.url };
      }
      const all = await loadConfig(door, values, values.json === true ? 'none' : 'count');
      refuseDisabled(all, 'verifying');
      if (all.databases.length === 0) throw new LitestreamError('CONFIG_INVALID', 'no databases are configured');
      return { settings: all, paths: all.databases.map((entry) => entry.settings.path), url: undefined };
    }
  },
});

function textAnswer(answer: VerbOutput<'verify'>): string {
  const { outcome = 'inconclusive', database, replica, txid, checks = [], reason } = answer;
  const head = `${outcome}: ${printable(database)} on ${replica}${txid === undefined ? '' : ` at ${txid}`}${reason === undefined ? '' : `: ${printable(reason)}`}\n`;
  return head + formatTable(checks.map((check) => [`  ${check.name}`, check.outcome, printable(check.detail)]));
}
