/** A restore plan in the words its caller sees. */

import { statfs } from 'node:fs/promises';
import path from 'node:path';
import { hasCode } from '../base/errors.ts';
import { formatLTXName } from '../formats/ltx/filename.ts';
import { decodeHeader, LTX_HEADER_SIZE } from '../formats/ltx/header.ts';
import { formatTXID } from '../formats/ltx/txid.ts';
import { legacyHex } from '../formats/v3/names.ts';
import type { Caller } from './caller.ts';
import { toCount } from './fields.ts';
import { handleOf } from './lookup.ts';
import { formatInstant, toSeconds } from './moment.ts';
import { proofOf } from './proofs.ts';
import type { Choice } from './restore-choice.ts';
import type { PlanOut, RestoreOutput } from './verbs/restore-schema.ts';
import type { World } from './world.ts';

/** Rough rates of a common disk, for the estimate only; bytes a second. */
const READ_RATE = 100e6;
const WRITE_RATE = 400e6;

export interface Described {
  readonly output: string | undefined;
  readonly integrityCheck: 'none' | 'quick' | 'full';
  readonly signal: AbortSignal;
  /** Names every file. */
  readonly withFiles: boolean;
}

export async function describePlan(
  world: World,
  choice: Choice,
  { output, integrityCheck, signal, withFiles }: Described,
): Promise<PlanOut> {
  const { entry, asked, replica, plan } = choice;
  const { reached, shortfall, nextPoint, totals } = plan;
  const [size, free, leavesOut] = await Promise.all([resultSize(world, choice, signal), freeBytes(output), leftOut(world, choice)]);
  return {
    database: entry.settings.path,
    replica: replica.name,
    replica_type: replica.store.type,
    format: choice.format,
    generation: generationOf(choice),
    ...(choice.formatReason === undefined ? {} : { format_reason: choice.formatReason }),
    asked: asked.shown,
    reached: momentOut(reached),
    ...(shortfall === undefined ? {} : { short_by_seconds: toSeconds(shortfall.ms) }),
    ...(nextPoint === undefined ? {} : { next_point: momentOut(nextPoint) }),
    ...(output === undefined ? {} : { output }),
    files: totals.files,
    bytes_to_read: totals.bytes,
    ...(size === undefined ? {} : { bytes_to_write: size }),
    ...(free === undefined ? {} : { free_bytes: free }),
    estimated_seconds: Math.ceil(totals.bytes / READ_RATE + (size ?? totals.bytes) / WRITE_RATE),
    integrity_check: integrityCheck,
    ...(leavesOut === undefined ? {} : { leaves_out: leavesOut }),
    ...(await provenOf(world, choice, signal)),
    ...(withFiles ? { file_list: fileList(choice) } : {}),
  };
}

/** What would be asked of this caller before the plan is carried out. */
export function describeExecution(world: World, caller: Caller, problem?: string): NonNullable<RestoreOutput['execute']> {
  const { confirm } = world.gate;
  const reason = caller.readOnly ? 'READ_ONLY' : caller.scopes.includes('restore') ? problem : 'SCOPE_REQUIRED';
  const needs = ['plan_id', ...(confirm === 'elicit' ? ['confirmation'] : confirm === 'operator' ? ['approval'] : [])];
  return { allowed: reason === undefined, needs, confirm, ...(reason === undefined ? {} : { reason }) };
}

/** Bytes of the database that a plan yields, from the header of its newest file; undefined when that cannot be read now. */
async function resultSize(world: World, choice: Choice, signal: AbortSignal): Promise<number | undefined> {
  // Version 0.3 says it nowhere.
  if (choice.format === 'v3') return undefined;
  const { entry, replica, plan } = choice;
  const newest = plan.files.at(-1);
  if (newest === undefined) return undefined;
  try {
    const opened = await world.replicas.get(entry, replica);
    const header = decodeHeader(await opened.read(newest, { length: LTX_HEADER_SIZE, signal }));
    return header.commit * header.pageSize;
  } catch (error) {
    signal.throwIfAborted();
    // Compaction may just have replaced the file; anything else is for the restore itself to report.
    if (hasCode(error, 'OBJECT_NOT_FOUND') || hasCode(error, 'LTX_INVALID') || hasCode(error, 'LTX_TRUNCATED')) return undefined;
    throw error;
  }
}

/** Free bytes where `output` would be; undefined while its directory is not there. */
export async function freeBytes(output: string | undefined): Promise<number | undefined> {
  if (output === undefined) return undefined;
  try {
    const { bavail, bsize } = await statfs(path.dirname(output));
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

async function leftOut(world: World, choice: Choice): Promise<PlanOut['leaves_out']> {
  if (choice.format === 'v3') return undefined;
  const { entry, plan, newest } = choice;
  const live = (await handleOf(world, entry)?.status())?.engine.txid ?? newest;
  const transactions = toCount((live > newest ? live : newest) - plan.reached.txid);
  if (transactions === 0) return undefined;
  return { transactions, ...(plan.nextPoint === undefined ? {} : { since: formatInstant(plan.nextPoint.time) }) };
}

async function provenOf(world: World, { entry, replica }: Choice, signal: AbortSignal): Promise<Pick<PlanOut, 'proven'>> {
  const proof = await proofOf(world, entry, replica, signal);
  if (proof?.outcome !== 'passed' || proof.txid === undefined) return {};
  return { proven: { txid: formatTXID(proof.txid), at: formatInstant(proof.at) } };
}

function fileList(choice: Choice): PlanOut['file_list'] {
  if (choice.format === 'v3') {
    const { snapshot, segments } = choice.plan;
    return [snapshot, ...segments].map(({ key, size, createdAt }) => ({ name: key, size, timestamp: formatInstant(createdAt) }));
  }
  return choice.plan.files.map((file) => ({
    level: file.level,
    name: formatLTXName(file),
    min_txid: formatTXID(file.minTXID),
    max_txid: formatTXID(file.maxTXID),
    size: file.size,
    timestamp: formatInstant(file.createdAt),
  }));
}

/** The lineage inside the replica, as `generations` lists it. */
export const generationOf = (choice: Choice): string => (choice.format === 'ltx' ? 'ltx' : choice.plan.generation);

/** A state in either format. */
export function momentOut(moment: Choice['plan']['reached']): PlanOut['reached'] {
  const time = formatInstant(moment.time);
  if ('txid' in moment) return { txid: formatTXID(moment.txid), time };
  return { wal_index: legacyHex(moment.index), ...(moment.offset === undefined ? {} : { wal_offset: legacyHex(moment.offset) }), time };
}

/** A state as one word for file names and messages. */
export const stateName = ({ txid, wal_index }: PlanOut['reached']): string => txid ?? wal_index ?? '';
