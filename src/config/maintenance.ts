/** What happens to a replica over time: levels, snapshots, retention, proofs, lease. The nearest value wins: replica, database, top level. */

import { hostname } from 'node:os';
import type { BacklogSettings, LeaseSettings, LevelSettings, MaintenanceSettings } from '../engine/options.ts';
import type { DatabaseValues } from './database-draft.ts';
import type { MapNode } from './document.ts';
import type { Environment } from './expand.ts';
import type { Findings } from './findings.ts';
import { parseDurationText } from './scalars.ts';
import { LEASE_KEYS, LEVEL_KEYS, type REPLICA_KEYS, RETENTION_KEYS, SNAPSHOT_KEYS, type TOP_KEYS, VALIDATION_KEYS } from './schema.ts';
import { type Placed, readSection, type Values } from './section.ts';

const SECOND = 1000;
const HOUR = 3600 * SECOND;
const GIB = 1024 ** 3;
const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8] as const;
const RETENTION_VARIABLE = 'LITESTREAM_RETENTION';

const DEFAULT_LEVELS: readonly LevelSettings[] = [
  { level: 1, intervalMs: 30 * SECOND },
  { level: 2, intervalMs: 300 * SECOND },
  { level: 3, intervalMs: HOUR },
];

const DEFAULTS: MaintenanceSettings = {
  levels: DEFAULT_LEVELS,
  snapshotIntervalMs: 24 * HOUR,
  snapshotRetentionMs: 24 * HOUR,
  level0RetentionMs: 300 * SECOND,
  level0CheckMs: 15 * SECOND,
  deletes: true,
  verifyCompaction: false,
};

const DEFAULT_PROOF_INTERVAL_MS = 24 * HOUR;
const DEFAULT_BACKLOG: BacklogSettings = { bytes: 4 * GIB, ageMs: 24 * HOUR };

type TopValues = Values<typeof TOP_KEYS>;
type ReplicaValues = Values<typeof REPLICA_KEYS>;

/** Where values of a replica may stand. */
export interface Written {
  readonly replica: ReplicaValues;
  readonly database: DatabaseValues;
  readonly top: TopValues;
}

/** The part of a replica's settings that says what happens to it over time. */
export interface CareSettings {
  readonly maintenance: MaintenanceSettings;
  readonly proofIntervalMs?: number;
  readonly lease?: LeaseSettings;
}

export function resolveCare(written: Written, env: Environment, findings: Findings): CareSettings {
  const { replica, top } = written;
  const proofIntervalMs = (replica['verify-interval'] ?? top['verify-interval'])?.value ?? DEFAULT_PROOF_INTERVAL_MS;
  const lease = resolveLease(replica.lease ?? top.lease, findings);
  return {
    maintenance: resolveMaintenance(written, env, findings),
    ...(proofIntervalMs === 0 ? {} : { proofIntervalMs }),
    ...(lease === undefined ? {} : { lease }),
  };
}

function resolveMaintenance(written: Written, env: Environment, findings: Findings): MaintenanceSettings {
  const { replica, top } = written;
  const snapshot = resolveSnapshot(written, findings);
  const validation = sectionOf(replica.validation ?? top.validation, VALIDATION_KEYS, findings).interval?.value ?? 0;
  const level0 = (key: 'l0-retention' | 'l0-retention-check-interval') => (replica[key] ?? top[key])?.value;
  return {
    levels: resolveLevels(replica.levels ?? top.levels, findings),
    snapshotIntervalMs: snapshot.interval ?? DEFAULTS.snapshotIntervalMs,
    snapshotRetentionMs: replica.retention?.value ?? snapshot.retention ?? retentionOf(env, findings) ?? DEFAULTS.snapshotRetentionMs,
    ...(replica['retention-check-interval'] === undefined ? {} : { retentionCheckMs: replica['retention-check-interval'].value }),
    level0RetentionMs: level0('l0-retention') ?? DEFAULTS.level0RetentionMs,
    level0CheckMs: level0('l0-retention-check-interval') ?? DEFAULTS.level0CheckMs,
    deletes: sectionOf(top.retention, RETENTION_KEYS, findings).enabled?.value ?? DEFAULTS.deletes,
    verifyCompaction: (replica['verify-compaction'] ?? top['verify-compaction'])?.value ?? DEFAULTS.verifyCompaction,
    ...(validation > 0 ? { validationMs: validation } : {}),
  };
}

/** Each of the two by itself: the interval may come from the top level and the retention from the replica. */
function resolveSnapshot({ replica, database, top }: Written, findings: Findings): { interval?: number; retention?: number } {
  const written = [top.snapshot, database.snapshot, replica.snapshot].map((section) => sectionOf(section, SNAPSHOT_KEYS, findings));
  const merged: { interval?: number; retention?: number } = {};
  for (const { interval, retention } of written) {
    if (interval !== undefined) merged.interval = interval.value;
    if (retention !== undefined) merged.retention = retention.value;
  }
  return merged;
}

function retentionOf(env: Environment, findings: Findings): number | undefined {
  const text = env[RETENTION_VARIABLE];
  if (text === undefined || text === '') return undefined;
  const parsed = parseDurationText(text);
  if ('value' in parsed && parsed.value > 0) return parsed.value;
  findings.error({ key: RETENTION_VARIABLE }, `"${text}" ${'problem' in parsed ? parsed.problem : 'must be greater than 0'}`);
  return undefined;
}

function resolveLevels(written: Placed<readonly MapNode[]> | undefined, findings: Findings): readonly LevelSettings[] {
  if (written === undefined) return DEFAULT_LEVELS;
  if (written.value.length > LEVELS.length) {
    findings.error(written.at, `${written.value.length} levels are given; there are at most ${LEVELS.length}`);
    return DEFAULT_LEVELS;
  }
  if (written.value.length === 0)
    findings.warning(written.at, 'without levels nothing is merged, and level-0 files are never deleted at a replica');
  return written.value.flatMap((node, index) => {
    const level = LEVELS[index];
    const { interval } = readSection(node, LEVEL_KEYS, findings);
    if (interval === undefined && !node.entries.has('interval')) findings.error(node.at, 'a level needs an interval');
    return interval === undefined || level === undefined ? [] : [{ level, intervalMs: interval.value }];
  });
}

function resolveLease(written: Placed<MapNode> | undefined, findings: Findings): LeaseSettings | undefined {
  if (written === undefined) return undefined;
  const { enabled, ttl, owner } = readSection(written.value, LEASE_KEYS, findings);
  if (enabled?.value === false) return undefined;
  return { ttlMs: ttl?.value ?? 30 * SECOND, owner: owner?.value || hostname() };
}

/** For replicas that are not in a file. */
export const defaultCare = (env: Environment, findings: Findings): CareSettings =>
  resolveCare({ replica: {}, database: {}, top: {} }, env, findings);

/** The bound of a database's local log. */
export function resolveBacklog(database: DatabaseValues, top: TopValues): BacklogSettings {
  return {
    bytes: (database['max-local-bytes'] ?? top['max-local-bytes'])?.value ?? DEFAULT_BACKLOG.bytes,
    ageMs: (database['max-local-age'] ?? top['max-local-age'])?.value ?? DEFAULT_BACKLOG.ageMs,
  };
}

function sectionOf<S extends Parameters<typeof readSection>[1]>(
  written: Placed<MapNode> | undefined,
  spec: S,
  findings: Findings,
): Values<S> {
  return written === undefined ? {} : readSection(written.value, spec, findings);
}
