/** Mends one replica with whole files of others: what to copy, from whom, verified before it is written (docs/engine.md, Several replicas). */

import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorToData } from '../../base/errors.ts';
import { formatTXID, type TXID } from '../../formats/ltx/txid.ts';
import type { FileInfo } from '../../replica/file-info.ts';
import type { Replica } from '../../replica/replica.ts';
import { describeFile } from '../restore/plan.ts';
import { agreeAt, fileKey, type Party } from '../restore/shared-history.ts';
import type { FetchResult } from './fetch.ts';
import { type Listed, planRepair, type RepairStep, type TXIDSpan } from './plan.ts';

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
  const { files, damaged, donors, signal } = task;
  const { steps, lost, irreplaceable } = planRepair(files, damaged, donors);
  const copied: RepairedFile[] = [];
  const left = irreplaceable.map((file) => ({ file, reason: 'no other replica has it' }));
  for (const step of steps) {
    signal.throwIfAborted();
    const result = await tryDonors(step, task);
    if ('from' in result) copied.push({ file: step.file, replaced: step.replaces, from: result.from });
    else left.push({ file: step.file, reason: result.reason });
  }
  return { copied, left, lost };
}

async function tryDonors(step: RepairStep, task: RepairTask): Promise<{ readonly from: string } | { readonly reason: string }> {
  let reason = 'no other replica has it whole';
  for (const donor of task.donors.filter(({ name }) => step.donors.includes(name))) {
    const seam = await unprovenSeam(step, donor, task);
    if (seam !== undefined) {
      reason = `nothing shows that ${donor.name} holds the same history at TXID ${formatTXID(seam)}`;
      continue;
    }
    try {
      if (!task.isDryRun) await copy(step, donor, task);
      return { from: donor.name };
    } catch (error) {
      task.signal.throwIfAborted();
      if (error instanceof WriteFailure) throw error.cause;
      reason = `the copy at ${donor.name} is not whole: ${errorToData(error).message}`;
    }
  }
  return { reason };
}

async function unprovenSeam(
  { seams }: RepairStep,
  donor: Donor,
  { target, files, damaged, signal }: RepairTask,
): Promise<TXID | undefined> {
  const bad = new Set(damaged.map(fileKey));
  const mine: Party = { source: target, files, isDamaged: (file) => bad.has(fileKey(file)) };
  const theirs: Party = { source: donor.replica, files: donor.files };
  for (const txid of seams) if (!(await agreeAt(mine, theirs, txid, signal))) return txid;
  return undefined;
}

/** The destination of the repair fails: no other donor would help. */
class WriteFailure extends Error {}

async function copy({ file, replaces }: RepairStep, donor: Donor, { target, scratch, fetch, signal }: RepairTask): Promise<void> {
  const path = join(scratch, `${describeFile(file).replaceAll(' ', '-')}.ltx`);
  try {
    await rm(path, { force: true });
    const { size, timestamp } = await fetch(donor, file, path);
    const body = { size, open: () => createReadStream(path, { highWaterMark: 1024 * 1024 }) as AsyncIterable<Uint8Array> };
    await target
      .write(file.level, file.minTXID, file.maxTXID, body, { createdAt: timestamp, ifAbsent: !replaces, signal })
      .catch((cause: unknown) => {
        throw new WriteFailure('writing the copy failed', { cause });
      });
  } finally {
    await rm(path, { force: true });
  }
}
