/** The databases of a configuration, each with its engine settings and its replicas. */

import { basename, dirname, join } from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import type { DatabaseSettings, ReplicaSettings } from '../engine/options.ts';
import type { DirectorySettings } from '../service/directories/options.ts';
import type { DatabaseEntry, DisabledDatabase } from '../service/options.ts';
import { blanksOf } from './blanks.ts';
import { refuseConflicts, refuseDirectoryOverlaps } from './conflicts.ts';
import type { DatabaseDraft, DatabaseValues } from './database-draft.ts';
import { DEFAULT_COLD_AFTER_MS, type DirectoryDraft, directoryName, isDirectory, readPlace, refuseDirectoryKeys } from './directories.ts';
import type { ConfigNode, MapNode } from './document.ts';
import type { Environment } from './expand.ts';
import type { Findings } from './findings.ts';
import { resolveBacklog } from './maintenance.ts';
import { databaseNames } from './names.ts';
import { absolutePath, databasePath } from './paths.ts';
import { DEFAULT_SYNC_INTERVAL_MS, resolveReplicas } from './replicas.ts';
import { DATABASE_KEYS, REPLICA_KEYS, type TOP_KEYS } from './schema.ts';
import { readSection, type Values } from './section.ts';
import { freeName, hiddenPath, judge, type SetAside } from './set-aside.ts';
import { bufferSize } from './stores/parts.ts';

const DEFAULT_MONITOR_INTERVAL_MS = 1000;
/** Well below SQLite's own 1,000, which runs in vain at every commit while our read transaction stands. */
const DEFAULT_MIN_CHECKPOINT_PAGES = 500;
const DEFAULT_TRUNCATE_PAGES = 121_359;
const DEFAULT_CHECKPOINT_INTERVAL_MS = 60_000;
const DEFAULT_BUSY_TIMEOUT_MS = 1000;
const DEFAULT_MAX_SYNC_WAL_BYTES = 64 * 1024 * 1024;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

type TopValues = Values<typeof TOP_KEYS>;

export interface ResolvedDatabases {
  /** Those with a path of their own. */
  readonly databases: readonly DatabaseEntry[];
  readonly directories: readonly DirectorySettings[];
  /** Those that are set aside: their problems are warnings. */
  readonly disabled: readonly DisabledDatabase[];
}

interface Drafted {
  readonly draft: DatabaseDraft | DirectoryDraft | undefined;
  readonly aside: SetAside | undefined;
}

/** @param root the whole file, whose top level replicas inherit from. */
export function resolveDatabases(
  nodes: readonly MapNode[],
  { top, root, strict }: { readonly top: TopValues; readonly root: MapNode; readonly strict: boolean },
  env: Environment,
  findings: Findings,
): ResolvedDatabases {
  const all = nodes.map((node): Drafted => {
    const draft = isDirectory(node) ? draftDirectory(node, top, env, findings) : draftDatabase(node, top, env, findings);
    return { draft, aside: strict ? undefined : judge(node, draft, root, findings) };
  });
  const asides = all.flatMap(({ aside }) => aside ?? []);
  const used = all.flatMap(({ draft, aside }) => (draft === undefined || aside !== undefined ? [] : [draft]));
  // Where nothing would be left, what is wrong stands in the way of everything.
  if (used.length > 0 || asides.some(({ isWrong }) => !isWrong)) for (const { node } of asides) findings.demote(node.at.key);

  const drafts = all.flatMap(({ draft, aside }) => (aside === undefined ? databaseIn(draft) : (aside.draft ?? [])));
  const directories = used.filter((draft) => 'place' in draft);
  const unique = refuseConflicts(drafts, findings);
  refuseDirectoryOverlaps(directories, unique, findings);
  refuseHidden(asides, directories, findings);
  const names = databaseNames(
    unique.map(({ path }) => path),
    explicitNames(unique, findings),
  );
  const nameOf = (draft: DatabaseDraft): string => names.get(draft.path) ?? draft.path;
  return {
    databases: unique.filter((draft) => used.includes(draft)).map((draft) => databaseEntry(draft, nameOf(draft), top)),
    directories: directories.map(({ place, draft }) => ({ ...place, template: memberTemplate(draft, top) })),
    disabled: disabledOf(asides, names, top),
  };
}

const databaseIn = (draft: Drafted['draft']): DatabaseDraft[] => (draft !== undefined && 'path' in draft ? [draft] : []);

function disabledOf(asides: readonly SetAside[], names: ReadonlyMap<string, string>, top: TopValues): DisabledDatabase[] {
  const taken = new Set(names.values());
  return asides.map((aside) => {
    const { path, node, reason } = aside;
    const draft = aside.draft ?? { values: {}, path, metaPath: defaultMetaPath(path), replicas: [], at: node.at };
    const name = (aside.draft && names.get(path)) ?? freeName(aside, taken);
    taken.add(name);
    return { settings: databaseSettings(draft, name, top), replicas: [], restoreIfMissing: false, reason, key: node.at.key };
  });
}

/** A file of a directory may be the database that cannot be told: it must not be replicated to where the members are. */
function refuseHidden(asides: readonly SetAside[], directories: readonly DirectoryDraft[], findings: Findings): void {
  if (directories.length === 0) return;
  for (const { node } of asides)
    if (!isDirectory(node) && hiddenPath(node) !== undefined)
      findings.error(node.at, 'which database this is cannot be told, and it may be a member of a directory that is configured');
}

function databaseEntry(draft: DatabaseDraft, name: string, top: TopValues): DatabaseEntry {
  return {
    settings: databaseSettings(draft, name, top),
    replicas: draft.replicas.map(({ settings }) => settings),
    restoreIfMissing: draft.values['restore-if-db-not-exists']?.value ?? false,
  };
}

function memberTemplate(draft: DatabaseDraft, top: TopValues): DatabaseEntry {
  const entry = databaseEntry(draft, directoryName(draft.path), top);
  if (draft.values['cold-after'] !== undefined) return entry;
  return { ...entry, settings: { ...entry.settings, coldAfterMs: DEFAULT_COLD_AFTER_MS } };
}

/** One database on the command line. */
export function databaseForArguments(path: string, replicas: readonly ReplicaSettings[], bufferBytes?: number): DatabaseEntry {
  const draft: DatabaseDraft = {
    values: {},
    path,
    metaPath: defaultMetaPath(path),
    replicas: replicas.map((settings) => ({ settings, at: { key: '' } })),
    at: { key: '' },
    ...(bufferBytes === undefined ? {} : { bufferBytes }),
  };
  return { settings: databaseSettings(draft, databaseNames([path], new Map()).get(path) ?? path, {}), replicas, restoreIfMissing: false };
}

function draftDirectory(node: MapNode, top: TopValues, env: Environment, findings: Findings): DirectoryDraft | undefined {
  const values = readSection(node, DATABASE_KEYS, findings);
  const replicas = resolveReplicas(replicaNodes(node, values, findings), { database: values, top }, env, findings);
  const place = readPlace(values, node, env, findings);
  if (place === undefined) return undefined;
  const { dir, at } = place;
  const autoRecover = wantsRecovery(node, values, top, findings);
  return { place, draft: { values, path: dir, metaPath: dir, replicas, at, autoRecover, ...readBuffer(env, findings) } };
}

function draftDatabase(node: MapNode, top: TopValues, env: Environment, findings: Findings): DatabaseDraft | undefined {
  const values = readSection(node, DATABASE_KEYS, findings);
  refuseDirectoryKeys(values, findings);
  if (values.name !== undefined && !NAME.test(values.name.value))
    findings.error(values.name.at, 'a name has 1 to 64 letters, digits, dots, underscores or hyphens');
  const replicas = resolveReplicas(replicaNodes(node, values, findings), { database: values, top }, env, findings);
  if (values.path === undefined) {
    const written = node.entries.get('path');
    if ((written === undefined || written.kind === 'null') && blanksOf(written) === undefined)
      findings.error(node.at, 'a database needs a path, or a dir and a pattern');
    return undefined;
  }
  try {
    const path = databasePath(values.path.value, env);
    const metaPath = values['meta-path'] === undefined ? defaultMetaPath(path) : absolutePath(values['meta-path'].value, env);
    const autoRecover = wantsRecovery(node, values, top, findings);
    return { values, path, metaPath, replicas, at: values.path.at, autoRecover, ...readBuffer(env, findings) };
  } catch (error) {
    findings.error(values.path.at, error instanceof LitestreamError ? error.message : 'this is not the path of a database file');
    return undefined;
  }
}

function readBuffer(env: Environment, findings: Findings): Pick<DatabaseDraft, 'bufferBytes'> {
  const bufferBytes = bufferSize({ env, findings });
  return bufferBytes === undefined ? {} : { bufferBytes };
}

/** A key of replicas, in the original too; the local state is one for all of them. */
function wantsRecovery(node: MapNode, values: DatabaseValues, top: TopValues, findings: Findings): boolean {
  const written = replicaNodes(node, values, findings).map((replica) => readSection(replica, REPLICA_KEYS, findings)['auto-recover']);
  return written.some((key) => key?.value ?? top['auto-recover']?.value ?? false);
}

/** As docs/engine.md has it under Local state. */
const defaultMetaPath = (path: string): string => join(dirname(path), `.${basename(path)}-litestream`);

function replicaNodes(node: MapNode, values: DatabaseValues, findings: Findings): readonly MapNode[] {
  const { replica, replicas } = values;
  if (replica !== undefined && replicas !== undefined) findings.error(replica.at, 'replica and replicas are both given; use one of them');
  const nodes = replicas?.value ?? (replica === undefined ? [] : [replica.value]);
  const written = [node.entries.get('replica'), node.entries.get('replicas')].some((child) => child !== undefined && !isEmpty(child));
  if (!written) findings.error(node.at, 'a database needs a replica: nothing would be saved');
  return nodes;
}

const isEmpty = (node: ConfigNode): boolean => node.kind === 'null' || (node.kind === 'list' && node.items.length === 0);

function explicitNames(drafts: readonly DatabaseDraft[], findings: Findings): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { values, path } of drafts) {
    const { name } = values;
    if (name === undefined || !NAME.test(name.value)) continue;
    if ([...names.values()].includes(name.value)) findings.error(name.at, 'another database has the same name');
    else names.set(path, name.value);
  }
  return names;
}

function databaseSettings(
  { values, path, metaPath, replicas, autoRecover = false, bufferBytes = Number.POSITIVE_INFINITY }: DatabaseDraft,
  name: string,
  top: TopValues,
): DatabaseSettings {
  const shortest = Math.min(...replicas.map(({ settings }) => settings.syncIntervalMs), DEFAULT_SYNC_INTERVAL_MS);
  const monitorIntervalMs = values['monitor-interval']?.value ?? Math.min(DEFAULT_MONITOR_INTERVAL_MS, shortest);
  const truncate = values['truncate-page-n']?.value ?? 0;
  const walBytes = values['max-sync-wal-bytes']?.value ?? Math.min(DEFAULT_MAX_SYNC_WAL_BYTES, bufferBytes);
  return {
    name,
    path,
    metaPath,
    monitorIntervalMs,
    pollIntervalMs: Math.max(DEFAULT_MONITOR_INTERVAL_MS, monitorIntervalMs),
    checkpointIntervalMs: values['checkpoint-interval']?.value ?? DEFAULT_CHECKPOINT_INTERVAL_MS,
    minCheckpointPages: values['min-checkpoint-page-count']?.value ?? DEFAULT_MIN_CHECKPOINT_PAGES,
    // As in the original, 0 is the default and only a negative value turns it off.
    truncatePages: truncate < 0 ? Number.POSITIVE_INFINITY : truncate || DEFAULT_TRUNCATE_PAGES,
    busyTimeoutMs: values['busy-timeout']?.value ?? DEFAULT_BUSY_TIMEOUT_MS,
    maxSyncWALBytes: walBytes > 0 ? walBytes : Number.POSITIVE_INFINITY,
    pageForm: (values['page-form'] ?? top['page-form'])?.value ?? 'block',
    backlog: resolveBacklog(values, top),
    ...((values['cold-after']?.value ?? 0) > 0 ? { coldAfterMs: values['cold-after']?.value ?? 0 } : {}),
    ...(autoRecover ? { autoRecover } : {}),
  };
}
