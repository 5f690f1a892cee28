/** `litestream check`: what each destination can do, and why not. */

import { EXIT, LitestreamError } from '../../base/errors.ts';
import type { VerbOutput } from '../../control/control.ts';
import { defineCommand } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, loadConfig, refuseDisabled, resolveSubject } from '../source.ts';
import { formatTable, printable } from '../table.ts';

type Checked = VerbOutput<'check'>['replicas'][number];

/** What each step is called for people. */
const WORDS: Readonly<Record<Checked['steps'][number]['name'], string>> = {
  write: 'write an object',
  stat: 'look at it',
  read: 'read a range of it',
  list: 'list',
  time: 'keep its time',
  create: 'create only what is not there',
  replace: 'replace one version only',
  delete: 'delete',
  'delete-missing': 'delete what is gone',
};

export const check = defineCommand({
  name: 'check',
  usage: `Usage: litestream check [FLAGS] [DB_PATH | REPLICA_URL]

Writes, reads, lists and deletes a scratch object at each destination, in the replica's own place there, and says what it
can do and, where something fails, why and what to do about it. Without an argument: every replica of every database.
The exit status is 0 when nothing failed; what a destination does not offer is no failure.

Flags:
${CONFIG_USAGE}
  -replica NAME     only this replica
  -json             print JSON

Examples:
  litestream check
  litestream check s3://bucket/app
`,
  flags: { ...CONFIG_FLAGS, replica: 'string', json: 'bool' },
  async run({ values, positionals }, door) {
    const { settings, path, url } = await subject();
    const input = { ...(path === undefined ? {} : { path }), ...(values.replica === undefined ? {} : { replica: values.replica }) };
    const answer = await withControl(door, settings, 'offline', (control, call) => control.call('check', input, call));
    const replicas = answer.replicas.map((one) => (url === undefined ? one : { ...one, database: url }));
    if (values.json === true) door.stdout.write(formatJSON(replicas));
    else door.stdout.write(replicas.map(textOf).join('\n'));
    return replicas.every(({ outcome }) => outcome === 'passed') ? EXIT.ok : EXIT.failed;

    async function subject() {
      if (positionals.length > 0) return resolveSubject(door, values, positionals, 'check');
      const all = await loadConfig(door, values, values.json === true ? 'none' : 'count');
      refuseDisabled(all, 'checking');
      if (all.databases.length === 0) throw new LitestreamError('CONFIG_INVALID', 'no databases are configured');
      return { settings: all, path: undefined, url: undefined };
    }
  },
});

function textOf({ database, replica, type, destination, outcome, steps, clock, warnings = [], leftovers = [] }: Checked): string {
  const place = destination === '' ? type : `${type}, ${printable(destination)}`;
  const rows = steps.map(({ name, outcome: result, duration_ms: ms, note }) => [
    `  ${WORDS[name]}`,
    result,
    result === 'skipped' ? '' : `${ms} ms`,
    note === undefined ? '' : printable(note),
  ]);
  // One trouble fails several steps: what to do is said once.
  const said = new Set<string>();
  const problems = steps.flatMap(({ name, code = '', cause, fix = '' }) => {
    if (cause === undefined || said.has(code + fix)) return [];
    said.add(code + fix);
    return [`  ${WORDS[name]}: ${code}: ${printable(cause)}.\n    ${printable(fix)}\n`];
  });
  const warned = warnings.map((text) => `  warning: ${printable(text)}\n`);
  const kept = leftovers.map((key) => `  left there: ${printable(key)}\n`);
  return `${outcome}: ${printable(database)} on ${printable(replica)} (${place})\n${formatTable(rows)}${problems.join('')}${clock === undefined ? '' : `  ${clock}\n`}${warned.join('')}${kept.join('')}`;
}
