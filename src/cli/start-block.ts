/** What `replicate` says once it runs: databases, replicas, addresses, and what to type next. */

import { formatDuration } from '../base/duration.ts';
import type { Settings } from '../config/settings.ts';
import type { VerbOutput } from '../control/control.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { destinationText } from '../storage/place.ts';
import { VERSION } from '../version.ts';
import type { Daemon } from './door.ts';
import { printable } from './table.ts';

type Row = VerbOutput<'databases'>['databases'][number];

export function formatStartBlock(settings: Settings, addresses: Daemon['addresses'], rows: readonly Row[]): string {
  const states = new Map(rows.map((row) => [row.path, row]));
  const lines = [`litestream ${VERSION} is running`, ''];
  for (const { settings: database, replicas, memberOf } of settings.databases) {
    if (memberOf !== undefined) continue;
    const row = states.get(database.path);
    if (row?.state === 'disabled') continue;
    lines.push(
      line(
        'database',
        `${database.name}  ${printable(database.path)}${row?.state === 'waiting' ? '  (waiting: it does not exist yet)' : ''}`,
      ),
    );
    for (const replica of replicas) {
      const destination = row?.replicas.find(({ name }) => name === replica.name)?.destination ?? destinationText(replica.store);
      lines.push(line('  replica', `${replica.name}  ${printable(destination)}, ${terms(replica)}`));
    }
  }
  for (const { name, path, state, message = '' } of rows)
    if (state === 'disabled') lines.push(line('disabled', `${name}  ${printable(path)}: ${printable(message)}`));
  for (const { dir, pattern, watch, template } of settings.directories) {
    const count = settings.databases.filter(({ memberOf }) => memberOf === `${dir}/${pattern}`).length;
    const members = `${count} ${count === 1 ? 'database' : 'databases'}${watch ? ', watched' : ''}`;
    lines.push(line('directory', `${printable(`${dir}/${pattern}`)}  ${members}`));
    for (const replica of template.replicas)
      lines.push(line('  replica', `${replica.name}  below ${printable(destinationText(replica.store))}, ${terms(replica)}`));
  }
  if (addresses.metrics !== undefined) lines.push(line('metrics', `${url(addresses.metrics)}/metrics`));
  if (addresses.mcp !== undefined) lines.push(line('mcp', `${url(addresses.mcp)}/mcp, ${access(settings)}`));
  const from = settings.configPath === undefined ? '' : ` -config ${printable(settings.configPath)}`;
  return `${[...lines, line('next', `litestream status${from}`), ''].join('\n')}\n`;
}

const line = (label: string, text: string): string => `  ${label.padEnd(10)} ${text}`;

const url = (address: string): string => (address.includes('://') ? address.replace(/\/$/, '') : `http://${address}`);

function access({ mcp }: Settings): string {
  const guarded = mcp.token !== undefined || mcp.tokenFile !== undefined;
  const mode = mcp.readOnly ? 'read-only' : 'may act within its scopes';
  if (guarded) return `${mode}, with a token`;
  const widen = mcp.address?.anyHost === true ? ' (set LITESTREAM_MCP_TOKEN to open it to other machines)' : '';
  return `${mode}, this machine only${widen}`;
}

/** What sets a replica apart from a plain one. */
function terms({ syncIntervalMs, role, dated, lease, mirror }: ReplicaSettings): string {
  return [
    `at most every ${formatDuration(syncIntervalMs)}`,
    ...(role === 'best-effort' ? ['best-effort'] : []),
    ...(dated === undefined ? [] : [`dated by ${printable(dated.template)}`]),
    ...(lease === undefined ? [] : [`with a lease as ${printable(lease.owner)}`]),
    ...(mirror === undefined ? [] : [`mirror ${printable(mirror)}`]),
  ].join(', ');
}
