/** The resolved configuration as YAML that could be read back, each value with where it came from; secrets are masked. */

import { formatDuration } from '../base/duration.ts';
import { redact } from '../base/redact.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import type { DirectorySettings } from '../service/directories/options.ts';
import type { DatabaseEntry, DisabledDatabase } from '../service/options.ts';
import type { Settings } from './settings.ts';
import type { Scalar } from './stores/kind.ts';
import { kindNamed } from './stores/kinds.ts';

/** One line per value: `key: value  # default`, `# litestream.yml:12` or `# $LOG_LEVEL`. */
export function describeSettings(settings: Settings): string {
  const { origins = {}, mcp, shutdown, logging } = settings;
  const lines: string[] = [];
  const put = (indent: string, path: string, value: Scalar | undefined, ...inherited: readonly string[]) => {
    const name = path.slice(path.lastIndexOf('.') + 1);
    const from = [path, ...inherited].find((key) => origins[key] !== undefined);
    const origin = (from === undefined ? undefined : origins[from]) ?? (value === undefined ? 'unset' : 'default');
    lines.push(`${indent}${name}: ${show(value)}`.padEnd(44).concat(`  # ${origin}`));
  };
  put('', 'strict', settings.strict);
  put('', 'addr', settings.address?.text);
  put('', 'mcp-addr', mcp.address?.text);
  lines.push('mcp:');
  put('  ', 'mcp.read-only', mcp.readOnly);
  put('  ', 'mcp.token', mcp.token?.toString());
  put('  ', 'mcp.token-scopes', mcp.tokenScopes);
  put('  ', 'mcp.token-file', mcp.tokenFile);
  put('  ', 'mcp.restore-dirs', mcp.gate.restoreDirs);
  put('  ', 'mcp.confirm', mcp.gate.confirm);
  put('  ', 'mcp.plan-ttl', formatDuration(mcp.gate.planTTLMs));
  put('  ', 'mcp.max-restores', mcp.gate.maxRestores);
  put('  ', 'mcp.allowed-hosts', mcp.allowedHosts);
  put('  ', 'mcp.allowed-origins', mcp.allowedOrigins);
  put('  ', 'mcp.sse', mcp.sse);
  put('  ', 'mcp.max-result-chars', mcp.maxResultChars);
  put('  ', 'mcp.audit-log', mcp.auditLog);
  put('  ', 'mcp.audit-reads', mcp.auditReads);
  put('', 'exec', settings.exec);
  put('', 'shutdown-sync-timeout', formatDuration(shutdown.timeoutMs));
  put('', 'shutdown-sync-interval', formatDuration(shutdown.intervalMs));
  put('', 'lag-budget', formatDuration(settings.lagBudgetMs));
  lines.push('logging:');
  put('  ', 'logging.level', logging.level);
  put('  ', 'logging.type', logging.type);
  put('  ', 'logging.stderr', logging.stderr);
  const deletes = [...settings.databases, ...settings.directories.map(({ template }) => template)]
    .flatMap(({ replicas }) => replicas)
    .every(({ maintenance }) => maintenance?.deletes !== false);
  lines.push('retention:');
  put('  ', 'retention.enabled', deletes);
  const entries = configuredEntries(settings);
  lines.push(entries.length === 0 ? 'dbs: []' : 'dbs:');
  entries.forEach((entry, index) => {
    describeEntry(entry, index, lines, put);
  });
  return `${lines.join('\n')}\n`;
}

type Put = (indent: string, path: string, value: Scalar | undefined, ...inherited: readonly string[]) => void;

type Configured = DatabaseEntry | DirectorySettings | DisabledDatabase;

/** Databases and directories in the order of the file; members are not written anywhere. */
function configuredEntries({ databases, directories, disabled = [] }: Settings): readonly Configured[] {
  const entries: Configured[] = databases.filter(({ memberOf }) => memberOf === undefined);
  const others = [
    ...directories.map((entry) => ({ entry, key: entry.at.key })),
    ...disabled.map((entry) => ({ entry, key: entry.key ?? '' })),
  ];
  const placed = others.map(({ entry, key }) => ({ entry, index: Number(/^dbs\[(\d+)\]/.exec(key)?.[1] ?? Number.POSITIVE_INFINITY) }));
  for (const { entry, index } of placed.toSorted((a, b) => a.index - b.index)) entries.splice(index, 0, entry);
  return entries;
}

function describeEntry(entry: Configured, index: number, lines: string[], put: Put): void {
  const at = `dbs[${index}]`;
  if ('reason' in entry) {
    lines.push(`  # disabled: ${entry.settings.path}: ${entry.reason.message}`);
    return;
  }
  if ('template' in entry) {
    put('  - ', `${at}.dir`, entry.dir);
    put('    ', `${at}.pattern`, entry.pattern);
    put('    ', `${at}.recursive`, entry.recursive);
    put('    ', `${at}.watch`, entry.watch);
    put('    ', `${at}.name`, entry.namePrefix);
    if (entry.metaPath !== undefined) put('    ', `${at}.meta-path`, entry.metaPath);
    else put('    ', `${at}.meta-dir`, entry.metaDir);
  } else {
    put('  - ', `${at}.path`, entry.settings.path);
    put('    ', `${at}.name`, entry.settings.name);
    put('    ', `${at}.meta-path`, entry.settings.metaPath);
  }
  describeDatabase('template' in entry ? entry.template : entry, at, lines, put);
}

function describeDatabase({ settings, replicas, restoreIfMissing }: DatabaseEntry, at: string, lines: string[], put: Put): void {
  put('    ', `${at}.monitor-interval`, formatDuration(settings.monitorIntervalMs));
  put('    ', `${at}.checkpoint-interval`, formatDuration(settings.checkpointIntervalMs));
  put('    ', `${at}.busy-timeout`, formatDuration(settings.busyTimeoutMs));
  put('    ', `${at}.min-checkpoint-page-count`, settings.minCheckpointPages);
  put('    ', `${at}.truncate-page-n`, orOff(settings.truncatePages, -1));
  put('    ', `${at}.max-sync-wal-bytes`, orOff(settings.maxSyncWALBytes, 0));
  put('    ', `${at}.page-form`, settings.pageForm, 'page-form');
  put('    ', `${at}.cold-after`, formatDuration(settings.coldAfterMs ?? 0));
  if (settings.backlog !== undefined) {
    put('    ', `${at}.max-local-bytes`, settings.backlog.bytes, 'max-local-bytes');
    put('    ', `${at}.max-local-age`, formatDuration(settings.backlog.ageMs), 'max-local-age');
  }
  put('    ', `${at}.restore-if-db-not-exists`, restoreIfMissing);
  lines.push(replicas.length === 0 ? '    replicas: []' : '    replicas:');
  replicas.forEach((replica, number) => {
    const key = `${at}.replicas[${number}]`;
    put('      - ', `${key}.name`, replica.name);
    put('        ', `${key}.type`, replica.store.type);
    describeStore(replica, key, put);
    put('        ', `${key}.sync-interval`, formatDuration(replica.syncIntervalMs), 'sync-interval');
    put('        ', `${key}.max-sync-ltx-files`, orOff(replica.maxSyncFiles, 0), 'max-sync-ltx-files');
    put('        ', `${key}.required`, replica.role !== 'best-effort');
    if (replica.dated !== undefined) put('        ', `${key}.date-zone`, replica.dated.zone, 'date-zone');
    put('        ', `${key}.mirror`, replica.mirror);
    put('        ', `${key}.auto-recover`, settings.autoRecover ?? false, 'auto-recover');
    put('        ', `${key}.verify-interval`, formatDuration(replica.proofIntervalMs ?? 0), 'verify-interval');
    describeAge(replica, lines);
    describeMaintenance(replica, key, at, lines, put);
  });
}

/** What the kind of store reads, secrets masked; of a date the template. */
function describeStore({ store, dated }: ReplicaSettings, key: string, put: Put): void {
  const template = dated === undefined ? store : { ...store, path: dated.template };
  for (const [name, value] of kindNamed(store.type)?.describe(template) ?? []) put('        ', `${key}.${name}`, value, name);
}

/** Recipients as keys, whatever file they came from; identities masked, keys and paths alike. */
function describeAge({ ageIdentities = [], store }: ReplicaSettings, lines: string[]): void {
  const recipients = store.encryption?.recipients ?? [];
  if (ageIdentities.length + recipients.length === 0) return;
  lines.push('        age:');
  if (recipients.length > 0) lines.push(`          recipients: [${recipients.join(', ')}]`);
  if (ageIdentities.length > 0) lines.push(`          identities: [${ageIdentities.map((identity) => `'${identity}'`).join(', ')}]`);
}

/** The values in effect, whichever of replica, database and top level they were written for. */
function describeMaintenance({ maintenance, lease }: ReplicaSettings, key: string, database: string, lines: string[], put: Put): void {
  if (maintenance === undefined) return;
  const { levels, snapshotIntervalMs, snapshotRetentionMs, retentionCheckMs, level0RetentionMs, level0CheckMs } = maintenance;
  const { verifyCompaction, validationMs = 0 } = maintenance;
  const indent = '        ';
  lines.push(levels.length === 0 ? `${indent}levels: []` : `${indent}levels:`);
  levels.forEach(({ intervalMs }, index) => {
    put(`${indent}  - `, `${key}.levels[${index}].interval`, formatDuration(intervalMs), `levels[${index}].interval`);
  });
  lines.push(`${indent}snapshot:`);
  put(`${indent}  `, `${key}.snapshot.interval`, formatDuration(snapshotIntervalMs), `${database}.snapshot.interval`, 'snapshot.interval');
  const retention = 'snapshot.retention';
  put(indent, `${key}.retention`, formatDuration(snapshotRetentionMs), `${key}.${retention}`, `${database}.${retention}`, retention);
  if (retentionCheckMs !== undefined) put(indent, `${key}.retention-check-interval`, formatDuration(retentionCheckMs));
  put(indent, `${key}.l0-retention`, formatDuration(level0RetentionMs), 'l0-retention');
  put(indent, `${key}.l0-retention-check-interval`, formatDuration(level0CheckMs), 'l0-retention-check-interval');
  put(indent, `${key}.verify-compaction`, verifyCompaction, 'verify-compaction');
  lines.push(`${indent}validation:`);
  put(`${indent}  `, `${key}.validation.interval`, formatDuration(validationMs), 'validation.interval');
  if (lease === undefined) return;
  lines.push(`${indent}lease:`);
  put(`${indent}  `, `${key}.lease.owner`, lease.owner, 'lease.owner');
  put(`${indent}  `, `${key}.lease.ttl`, formatDuration(lease.ttlMs), 'lease.ttl');
}

const orOff = (value: number, off: number): number => (Number.isFinite(value) ? value : off);

function show(value: Scalar | undefined): string {
  if (value === undefined) return '';
  if (typeof value !== 'string') return Array.isArray(value) ? `[${value.map((item) => show(item)).join(', ')}]` : String(value);
  const text = redact(value);
  // Quoted where plain YAML would read something else: mappings, comments, anchors, a leading sign, expansion.
  const plain = /^[A-Za-z0-9_./~][^#:[\]{},&*!|>'"%@`$\n]*$/.test(text.replace(/:(?=\S)/g, '')) && text === text.trim();
  // A date that is to be filled in stays what it is.
  return plain ? text : JSON.stringify(text).replaceAll(/\$(?!\(date \+)/g, '$$$$');
}
