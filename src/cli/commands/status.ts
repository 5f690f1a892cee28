/** `litestream status`: positions and states, with the columns of the original first. */

import { existsSync } from 'node:fs';
import type { VerbOutput } from '../../control/control.ts';
import { defineCommand, refuseArguments } from '../command.ts';
import { withControl } from '../connect.ts';
import { formatJSON } from '../json.ts';
import { CONFIG_FLAGS, CONFIG_USAGE, findDatabase, loadConfig } from '../source.ts';
import { formatSIBytes, formatTable, printable } from '../table.ts';

type Row = VerbOutput<'status'>['databases'][number];
type Directory = NonNullable<VerbOutput<'status'>['directories']>[number];

export const status = defineCommand({
  name: 'status',
  usage: `Usage: litestream status [FLAGS] [DB_PATH]

Shows where each database stands. "status" speaks of the local state alone, as it always did; "state" says whether
replication works: waiting, starting, replicating, degraded (a replica is behind), failing, stopped or disabled (it
cannot be used as it is configured). "proof" is the outcome of the newest verification.

Flags:
${CONFIG_USAGE}
  -replicas         below the table a line for each replica: proof, lease, mirror, merges, requests
  -json             print JSON, with replicas, lag and errors

Examples:
  litestream status
  litestream status -json /srv/app/app.db
`,
  flags: { ...CONFIG_FLAGS, json: 'bool', replicas: 'bool' },
  async run({ values, positionals: [text, ...more] }, door) {
    refuseArguments(more, 'status');
    const settings = await loadConfig(door, values, values.json === true ? 'none' : 'count');
    const input = text === undefined ? {} : { path: (await findDatabase(settings, text, door.env)).settings.path };
    const { databases, directories = [] } = await withControl(door, settings, 'live', (control, call) =>
      control.call('status', input, call),
    );
    if (values.json === true) {
      door.stdout.write(formatJSON(databases.map(jsonRow)));
      return 0;
    }
    const lines = databases.map((row) => [
      printable(row.path),
      localStatus(row),
      localTXID(row),
      walSize(row),
      row.state,
      row.proof?.outcome ?? '-',
    ]);
    door.stdout.write(formatTable([['database', 'status', 'local txid', 'wal size', 'state', 'proof'], ...lines]));
    if (values.replicas === true) for (const line of databases.flatMap(replicas)) door.stdout.write(`${line}\n`);
    for (const { dir, pattern, state, members } of directories)
      door.stdout.write(`${printable(`${dir}/${pattern}`)}: ${state}, ${members} ${members === 1 ? 'database' : 'databases'}\n`);
    for (const line of [...databases.flatMap(troubles), ...directories.flatMap(directoryTroubles)]) door.stderr.write(`${line}\n`);
    return 0;
  },
});

/** The original's words, which never spoke of the replica. */
function localStatus(row: Row): string {
  if (!existsSync(row.path)) return 'no database';
  if (row.position !== undefined && !/^0*$/.test(row.position.txid)) return 'ok';
  return row.state === 'failing' ? 'error' : 'not initialized';
}

const localTXID = ({ position }: Row): string => (position === undefined || /^0*$/.test(position.txid) ? '-' : position.txid);

function walSize(row: Row): string {
  return existsSync(row.path) ? formatSIBytes(row.wal?.size_bytes ?? 0) : '-';
}

function jsonRow(row: Row): Record<string, unknown> {
  return { database: row.path, status: localStatus(row), local_txid: localTXID(row), wal_size: walSize(row), ...row };
}

/** What a person should know beyond the table. */
function troubles(row: Row): readonly string[] {
  const own =
    row.code === undefined
      ? []
      : [`${row.name}: ${row.state}: ${row.code}${row.message === undefined ? '' : `: ${printable(row.message)}`}`, ...hintOf(row)];
  const replicas = row.replicas.flatMap(({ name, state, lag_seconds: lag, last_error: error, troubles: others = [] }) => {
    if (state !== 'failing' && state !== 'degraded') return [];
    const behind = lag === undefined ? '' : `, ${lag} s behind`;
    const standing = others.map((trouble) => `${row.name}: replica ${name}: ${trouble.of}: ${trouble.code}: ${printable(trouble.message)}`);
    const hints = new Set([error, ...others].flatMap((problem) => problem?.hint ?? []));
    return [
      `${row.name}: replica ${name} is ${state}${behind}${error === undefined ? '' : `: ${error.code}: ${printable(error.message)}`}`,
      ...standing,
      ...[...hints].map((hint) => `${row.name}: replica ${name}: hint: ${printable(hint)}`),
    ];
  });
  return [...own, ...replicas];
}

const hintOf = ({ name, hint }: Row): readonly string[] => (hint === undefined ? [] : [`${name}: hint: ${printable(hint)}`]);

/** Files of watched directories that are not replicated, and why. */
function directoryTroubles({ problems = [] }: Directory): readonly string[] {
  return problems.map(({ path, code, message }) => `${printable(path)}: ${code}: ${printable(message)}`);
}

/** One line for each replica. */
function replicas(row: Row): readonly string[] {
  return row.replicas.map(({ name, type, state, role, txid, proof, lease, mirror, write_only: writeOnly, maintenance, requests }) => {
    const parts = [
      `${state}${txid === undefined ? '' : ` at ${txid}`}`,
      ...(row.cold === true ? ['closed while idle'] : []),
      ...(role === undefined ? [] : [role]),
      proof === undefined ? 'never proven' : proofInWords(proof),
      ...(lease === undefined ? [] : [`lease ${lease.state}${lease.owner === undefined ? '' : ` (${printable(lease.owner)})`}`]),
      ...(mirror === undefined ? [] : [`mirror ${printable(mirror.path)}${mirror.txid === undefined ? '' : ` at ${mirror.txid}`}`]),
      ...(writeOnly === undefined ? [] : [`write only (${printable(writeOnly)})`]),
      ...(maintenance?.compacted_at === undefined ? [] : [`levels kept up ${maintenance.compacted_at}`]),
      ...(maintenance?.snapshot_at === undefined ? [] : [`newest snapshot ${maintenance.snapshot_at}`]),
      ...(maintenance?.retention_at === undefined ? [] : [`retention kept up ${maintenance.retention_at}`]),
      ...(requests === undefined ? [] : [`${totalOf(requests.last_hour)} requests in the last hour`]),
    ];
    return `${printable(row.path)} ${printable(name)} (${type}): ${parts.join(', ')}`;
  });
}

const totalOf = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((sum, count) => sum + count, 0);

function proofInWords({ outcome, at, txid, last_passed: passed }: NonNullable<Row['replicas'][number]['proof']>): string {
  if (outcome === 'passed') return `proven${txid === undefined ? '' : ` at ${txid}`} ${at}`;
  return `verification ${outcome} ${at}${passed === undefined ? ', never proven' : `, last proven at ${passed.txid} ${passed.at}`}`;
}
