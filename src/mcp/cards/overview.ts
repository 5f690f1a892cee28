/** Cards of the tools that tell what is there and how it is: info, databases, status, version. */

import type { VerbOutput } from '../../control/control.ts';
import { defineCard, type NextCall } from '../card.ts';
import { cleanName } from '../untrusted.ts';
import { countOf, listInWords, secondsInWords } from './words.ts';

const BAD_STATES: readonly string[] = ['failing', 'degraded', 'stopped', 'disabled'];

const statusOf = (database: string, why: string): NextCall => ({ tool: 'litestream_status', arguments: { path: database }, why });

export const info = defineCard({
  verb: 'info',
  title: 'Overview',
  description:
    'Answers in one look whether every database is protected, what is worst, and what this connection may do. Begin here; take litestream_status for the details of one database. Reads memory only; cheap.',
  toolset: 'core',
  named: true,
  idempotent: true,
  present: ({ server, databases, worst, proof }) => {
    const [first] = worst;
    const counted = (['replicating', 'waiting', 'starting', 'degraded', 'failing', 'stopped', 'disabled'] as const)
      .filter((state) => databases[state] > 0)
      .map((state) => `${databases[state]} ${state}`);
    const trouble =
      first === undefined
        ? ''
        : ` Worst: ${cleanName(first.database)} is ${first.state}${first.unprotected_seconds === undefined ? '' : `, ${secondsInWords(first.unprotected_seconds)} unprotected`}${first.code === undefined ? '' : ` (${first.code})`}.`;
    const unproven = proof.failed === 0 ? '' : ` ${countOf(proof.failed, 'database')} failed verification.`;
    const offline = server.attached === 'offline' ? 'No daemon is attached: replicas only. ' : '';
    return {
      summary: `${offline}${countOf(databases.total, 'database')}${counted.length > 0 ? `: ${counted.join(', ')}` : ''}.${trouble}${unproven}`,
      next:
        first !== undefined && server.attached === 'daemon'
          ? [statusOf(first.database, 'see what is wrong and since when')]
          : [{ tool: 'litestream_databases', arguments: {}, why: 'names to use as path' }],
    };
  },
});

export const databases = defineCard({
  verb: 'databases',
  title: 'List databases',
  description:
    'Lists the configured databases with state, newest transaction and replicas. Gives the names that other tools take as path; use litestream_status for reasons and errors. Reads memory only; cheap.',
  toolset: 'core',
  named: true,
  idempotent: true,
  list: { field: 'databases', paged: true },
  present: ({ databases: list, page }) => {
    const bad = list.filter((database) => BAD_STATES.includes(database.state));
    const total = page.total ?? list.length;
    const shown = page.next_cursor === undefined ? '' : `, ${list.length} shown`;
    const what =
      bad.length === 0
        ? listInWords(list.map((database) => `${database.name} ${database.state}`))
        : listInWords(bad.map((database) => `${database.name} ${database.state}`));
    return {
      summary: `${countOf(total, 'database')}${shown}${what === '' ? '' : `: ${what}`}.`,
      next: bad.slice(0, 1).map((database) => statusOf(database.name, `see why it is ${database.state}`)),
    };
  },
});

export const status = defineCard({
  verb: 'status',
  title: 'Replication status',
  description:
    'Says how far each replica is behind its database and why: positions, lag, pending bytes, errors with next try, last checkpoint and last proof. Leave path out for all databases; use litestream_info for one sentence. Needs the daemon for live figures; cheap.',
  toolset: 'core',
  idempotent: true,
  list: { field: 'databases', paged: false },
  present: ({ databases: list }) => {
    const bad = list.filter((database) => BAD_STATES.includes(database.state));
    const first = bad[0] ?? list[0];
    if (first === undefined) return { summary: 'No database is configured.' };
    const behind = first.unprotected_seconds ?? Math.max(0, ...first.replicas.map((replica) => replica.lag_seconds ?? 0));
    const others = list.length > 1 ? ` ${countOf(list.length, 'database')} in all, ${bad.length} in trouble.` : '';
    const code = first.code === undefined ? '' : ` (${first.code})`;
    const position = first.position === undefined ? '' : ` at ${first.position.txid}`;
    const proof = first.proof === undefined ? '' : `, ${proofInWords(first.proof)}`;
    const trouble = list.flatMap(({ replicas }) => replicas.flatMap(({ troubles = [] }) => troubles))[0];
    const standing = trouble === undefined ? '' : ` Trouble with ${trouble.of}: ${trouble.code}.`;
    const unprotected = behind > 0 ? `, ${secondsInWords(behind)} not yet at a replica` : '';
    const next: NextCall[] =
      bad.length > 0 ? [] : [{ tool: 'litestream_points', arguments: { path: first.name }, why: 'see what can be restored' }];
    return { summary: `${cleanName(first.name)} is ${first.state}${code}${position}${unprotected}${proof}.${standing}${others}`, next };
  },
});

function proofInWords({ outcome, at }: NonNullable<VerbOutput<'status'>['databases'][number]['proof']>): string {
  return outcome === 'inconclusive' ? `last verification without a verdict at ${at}` : `last verification ${outcome} at ${at}`;
}

export const version = defineCard({
  verb: 'version',
  title: 'Versions',
  description:
    'Tells the versions of the product, of Node and of SQLite, which replica formats are read and written, and the protocol revisions served. For bug reports and compatibility questions. Reads nothing else; cheap.',
  toolset: 'core',
  idempotent: true,
  present: (result) => ({
    summary: `litestream-mcp ${result.version}${result.sqlite === undefined ? '' : `, SQLite ${result.sqlite}`}, compatible with Litestream ${result.compatible_with}.`,
  }),
});
