/** Repairs the replicas of a database one after the other, and makes them restorable again where the copies do not suffice. */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import nodePath from 'node:path';
import { errorToData, LitestreamError } from '../base/errors.ts';
import { redact } from '../base/redact.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import type { InspectResult } from '../engine/repair/inspect.ts';
import { type Donor, type RepairOutcome, repairReplica } from '../engine/repair/repair.ts';
import { planRestore } from '../engine/restore/plan.ts';
import { LATEST } from '../engine/restore/target.ts';
import { formatTXID } from '../formats/ltx/txid.ts';
import { describeFile, type FileInfo, fileKey } from '../replica/file-info.ts';
import type { DatabaseEntry } from '../service/options.ts';
import type { Warning } from './fields.ts';
import { factsOf } from './file-identity.ts';
import type { JobContext } from './job-work.ts';
import { handleOf } from './lookup.ts';
import type { RepairReport } from './repair-report.ts';
import { toProgress } from './restore-run.ts';
import type { World } from './world.ts';

export interface RepairOrder {
  readonly entry: DatabaseEntry;
  readonly target: ReplicaSettings;
  /** Who may give files, in this order. */
  readonly donors: readonly ReplicaSettings[];
  /** Looks for holes only; no file is read. */
  readonly quick: boolean;
  readonly isDryRun: boolean;
}

export async function repairOne(world: World, order: RepairOrder, job: JobContext, warnings: Warning[]): Promise<RepairReport> {
  const { entry, target, isDryRun } = order;
  const scratch = await makeScratch(world, entry);
  try {
    const found = await inspect(world, order, scratch, job);
    const donors = await openDonors(world, order, job.signal, warnings);
    const replica = await world.replicas.get(entry, target);
    const damaged = found.damaged.map(({ file }) => file);
    const outcome = await repairReplica({
      target: replica,
      files: found.files,
      damaged,
      donors,
      isDryRun,
      scratch,
      signal: job.signal,
      fetch: (donor, file, path) => {
        const store = order.donors.find(({ name }) => name === donor.name)?.store;
        if (store === undefined) throw new LitestreamError('INTERNAL', `replica ${donor.name} is not among those asked`);
        return world.runJob('fetch', { store, file, path, scratch }, { signal: job.signal });
      },
    });
    const snapshot = await bridge(world, order, stateAfter(found.files, damaged, outcome), job.signal);
    return reportOf(order, found, outcome, snapshot);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function inspect(
  world: World,
  { entry, target, quick }: RepairOrder,
  scratch: string,
  { signal, progress }: JobContext,
): Promise<InspectResult> {
  if (quick) return { files: await world.replicas.list(entry, target, { signal }), damaged: [], bytesRead: 0 };
  const onProgress = (report: Parameters<typeof toProgress>[0]): void => progress(toProgress(report));
  return world.runJob('inspect', { store: target.store, scratch }, { signal, onProgress });
}

/** Donors that cannot be read are left out, in the warnings. */
async function openDonors(world: World, { entry, donors }: RepairOrder, signal: AbortSignal, warnings: Warning[]): Promise<Donor[]> {
  const opened: Donor[] = [];
  for (const settings of donors) {
    try {
      const files = await world.replicas.list(entry, settings, { signal });
      opened.push({ name: settings.name, files, replica: await world.replicas.get(entry, settings) });
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = errorToData(error);
      warnings.push({ code: 'REPLICA_SKIPPED', message: redact(`replica ${settings.name} could not be read (${code}): ${message}`) });
    }
  }
  return opened;
}

/** The files that are whole when the copies are there. */
function stateAfter(files: readonly FileInfo[], damaged: readonly FileInfo[], { copied }: RepairOutcome): FileInfo[] {
  const bad = new Set(damaged.map(fileKey));
  return [...files.filter((file) => !bad.has(fileKey(file))), ...copied.map(({ file }) => file)];
}

/** A snapshot where the newest state could still not be restored: written by the daemon, else only asked for. */
async function bridge(
  world: World,
  { entry, target, isDryRun }: RepairOrder,
  files: readonly FileInfo[],
  signal: AbortSignal,
): Promise<RepairReport['snapshot']> {
  if (files.length === 0 || isRestorable(files)) return undefined;
  const handle = handleOf(world, entry);
  const replica = handle?.replicas.find(({ settings }) => settings.name === target.name);
  if (isDryRun || handle === undefined || replica === undefined) return { needed: true };
  const { maxTXID } = await handle.snapshot(replica, signal);
  return { needed: true, txid: formatTXID(maxTXID) };
}

function isRestorable(files: readonly FileInfo[]): boolean {
  try {
    planRestore(files, LATEST);
    return true;
  } catch (error) {
    if (error instanceof LitestreamError) return false;
    throw error;
  }
}

function reportOf(
  { target, isDryRun, quick }: RepairOrder,
  { files, damaged, bytesRead }: InspectResult,
  { copied, left, lost }: RepairOutcome,
  snapshot: RepairReport['snapshot'],
): RepairReport {
  function outcomeOf(): RepairReport['outcome'] {
    if (left.length > 0 || lost.length > 0 || (snapshot !== undefined && snapshot.txid === undefined)) return 'incomplete';
    if (copied.length === 0) return 'whole';
    return isDryRun ? 'repairable' : 'repaired';
  }
  return {
    replica: target.name,
    files: files.length,
    bytes_read: bytesRead,
    checked: quick ? 'listing' : 'files',
    damaged: damaged.map(({ file, code, message }) => ({ file: describeFile(file), code, message: redact(message) })),
    copied: copied.map(({ file, replaced, from }) => ({ file: describeFile(file), from, replaced })),
    left: left.map(({ file, reason }) => ({ file: describeFile(file), reason: redact(reason) })),
    lost: lost.map(({ first, last }) => ({ first: formatTXID(first), last: formatTXID(last) })),
    ...(snapshot === undefined ? {} : { snapshot }),
    outcome: outcomeOf(),
  };
}

/** On the database's own disk where this process owns its metadata directory; else temporary. */
async function makeScratch(world: World, entry: DatabaseEntry): Promise<string> {
  const { metaPath } = entry.settings;
  if (handleOf(world, entry) === undefined || (await factsOf(metaPath)) === undefined)
    return mkdtemp(nodePath.join(tmpdir(), 'litestream-repair-'));
  const scratch = nodePath.join(metaPath, 'repair');
  await rm(scratch, { recursive: true, force: true });
  await mkdir(scratch, { mode: 0o700 });
  return scratch;
}
