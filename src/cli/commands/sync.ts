/** `litestream sync`: pushes pending changes now. */

import { LitestreamError } from '../../base/errors.ts';
import type { VerbOutput } from '../../control/control.ts';
import { defineCommand } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { settleJob } from '../settle-job.ts';
import { SOCKET_FLAGS, SOCKET_USAGE, socketTimeout } from '../socket-flags.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, resolveSubject } from '../source.ts';

export const sync = defineCommand({
  name: 'sync',
  usage: `Usage: litestream sync [FLAGS] DB_PATH

Captures what was committed so far; with -wait also waits until every required replica has it.

Flags:
${CONFIG_USAGE}
${SOCKET_USAGE}
  -wait             wait until the required replicas have it
  -json             print JSON

Examples:
  litestream sync -wait /srv/app/app.db
`,
  flags: { ...CONFIG_FLAGS, ...SOCKET_FLAGS, wait: 'bool', json: 'bool' },
  async run({ values, positionals }, door) {
    const timeoutMs = socketTimeout(values, 30);
    if (positionals[0]?.includes('://') === true && !/^sqlite3?:/.test(positionals[0]))
      throw new LitestreamError('USAGE', 'sync takes the path of a database, not a URL');
    const { settings, path } = await resolveSubject(door, values, positionals, 'sync');
    const answer = await withControl(
      door,
      settings,
      'daemon',
      async (control, call) => settleJob(control, call, await control.call('sync', { path, wait: values.wait === true }, call)),
      { timeoutMs },
    );
    const replicated = lowest(answer);
    if (values.json === true) door.stdout.write(formatJSON(jsonAnswer(path, answer, values.wait === true ? replicated : undefined)));
    else door.stdout.write(textAnswer(path, answer, values.wait === true ? replicated : undefined));
    return 0;
  },
});

type Answer = VerbOutput<'sync'>;

/** What every replica has. */
function lowest({ replicas = [] }: Answer): string | undefined {
  const known = replicas.map(({ txid }) => txid ?? '0'.repeat(16)).toSorted();
  return known[0];
}

function textAnswer(path: string, { txid, status, duration_ms: duration }: Answer, replicated: string | undefined): string {
  const lines = [`db_path: ${path}`, `status: ${status ?? '-'}`, `txid: ${txid ?? '-'}`];
  if (replicated !== undefined) lines.push(`replica_txid: ${replicated}`);
  return `${[...lines, `duration_ms: ${duration ?? 0}`].join('\n')}\n`;
}

/** TXIDs are numbers in the original's JSON; ours stand beside them in hex (decision 12). */
function jsonAnswer(path: string, answer: Answer, replicated: string | undefined): Record<string, unknown> {
  const { txid, status, replicas, duration_ms } = answer;
  return {
    db_path: path,
    txid: txid === undefined ? undefined : BigInt(`0x${txid}`),
    replica_txid: replicated === undefined ? undefined : BigInt(`0x${replicated}`),
    duration_ms: duration_ms ?? 0,
    status,
    txid_hex: txid,
    replica_txid_hex: replicated,
    replicas,
  };
}
