/** Mends one replica with whole files of others: what to copy, from whom, verified before it is written (docs/engine.md, Several replicas). */

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorToData } from '../../base/errors.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import { describeFile, type FileInfo, fileKey } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';
import { fileBody } from '../../storage/body.ts';
import { agreeAt, type Party } from '../restore/shared-history.ts';
import type { FetchResult } from './fetch.ts';
import { type Listed, planRepair, type TXIDSpan } from './plan.ts';

export interface Donor extends Listed {
  readonly replica: Replica;
}

export interface RepairTask {
  readonly target: Replica;
  readonly files: readonly FileInfo[];
  readonly damaged: readonly FileInfo[];
  readonly donors: readonly Donor[];
  /** Only says what would be done. */
  readonly isDryRun: boolean;
  /** Where copies are kept on their way; exists. */
  readonly scratch: string;
  readonly signal: AbortSignal;
  /** Brings a verified copy to `path`; rejects when it is not whole. */
  readonly fetch: (donor: Donor, file: FileInfo, path: string) => Promise<FetchResult>;
}

export interface RepairedFile {
  readonly file: FileInfo;
  readonly replaced: boolean;
  readonly from: string;
}

export interface RepairOutcome {
  /** Copied, or with `isDryRun` what would be. */
  readonly copied: readonly RepairedFile[];
  readonly left: readonly { readonly file: FileInfo; readonly reason: string }[];
  readonly lost: readonly TXIDSpan[];
}

/** Copies what can be copied, one file after the other. Rejects when the repaired replica cannot be written. */
export async function repairReplica(task: RepairTask): Promise<RepairOutcome> {
  const { replacements, fills, lost, irreplaceable } = planRepair(task.files, task.damaged, task.donors);
  const copied: RepairedFile[] = [];
  const left = irreplaceable.map((file) => ({ file, reason: 'no other replica has it' }));
  for (const { file, donors } of replacements) {
    const ways = donors.map((donor) => ({ donor, files: [file] }));
    const result = await tryWays({ ways, seams: [before(file.minTXID)] }, task);
    if ('copied' in result) copied.push(...result.copied);
    else left.push({ file, reason: result.reason });
  }
  for (const { hole, ways } of fills) {
    const result = await tryWays({ ways, seams: [before(hole.first)] }, task);
    if ('copied' in result) copied.push(...result.copied);
    else left.push(...(ways[0]?.files ?? []).map((file) => ({ file, reason: result.reason })));
  }
  return { copied, left, lost };
}

interface Job {
  readonly ways: readonly { readonly donor: string; readonly files: readonly FileInfo[] }[];
  /** The donor has to be at the same state here, and behind the last file it gives. */
  readonly seams: readonly TXID[];
}

type Done = { readonly copied: readonly RepairedFile[] } | { readonly reason: string };

/** The first donor that gives everything. What an earlier one gave before it failed is whole and of the same history: it may stay. */
async function tryWays({ ways, seams }: Job, task: RepairTask): Promise<Done> {
  const standing = new Set(task.files.map(fileKey));
  const replaces = (file: FileInfo): boolean => standing.has(fileKey(file));
  let reason = 'no other replica has it whole';
  for (const { donor: name, files } of ways) {
    task.signal.throwIfAborted();
    const donor = task.donors.find((one) => one.name === name);
    const last = files.at(-1);
    if (donor === undefined || last === undefined) continue;
    const seam = await unprovenSeam([...seams, last.maxTXID], donor, task);
    if (seam !== undefined) {
      reason = `nothing shows that ${name} holds the same history at TXID ${formatTXID(seam)}`;
      continue;
    }
    try {
      for (const file of files) if (!task.isDryRun) await copy(file, replaces(file), donor, task);
      return { copied: files.map((file) => ({ file, replaced: replaces(file), from: name })) };
    } catch (error) {
      task.signal.throwIfAborted();
      if (error instanceof WriteFailure) throw error.cause;
      reason = `the copy at ${name} is not whole: ${errorToData(error).message}`;
    }
  }
  return { reason };
}

async function unprovenSeam(
  seams: readonly TXID[],
  donor: Donor,
  { target, files, damaged, signal }: RepairTask,
): Promise<TXID | undefined> {
  const bad = new Set(damaged.map(fileKey));
  const mine: Party = { source: target, files, isDamaged: (file) => bad.has(fileKey(file)) };
  const theirs: Party = { source: donor.replica, files: donor.files };
  for (const txid of new Set(seams)) if (!(await agreeAt(mine, theirs, txid, signal))) return txid;
  return undefined;
}

const before = (txid: TXID): TXID => (txid - 1n) as TXID;

/** The destination of the repair fails: no other donor would help. */
class WriteFailure extends Error {}

async function copy(file: FileInfo, replaces: boolean, donor: Donor, { target, scratch, fetch, signal }: RepairTask): Promise<void> {
  const path = join(scratch, `${describeFile(file).replaceAll(' ', '-')}.ltx`);
  try {
    await rm(path, { force: true });
    const { size, timestamp } = await fetch(donor, file, path);
    const body = fileBody(path, size);
    await target
      .write(file.level, file.minTXID, file.maxTXID, body, { createdAt: timestamp, ifAbsent: !replaces, signal })
      .catch((cause: unknown) => {
        throw new WriteFailure('writing the copy failed', { cause });
      });
  } finally {
    await rm(path, { force: true });
  }
}
