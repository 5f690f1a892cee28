/** One database's state in one shape, from the running service or from files alone. */

import type { ErrorCode } from '../base/errors.ts';
import { errorToData, LitestreamError } from '../base/errors.ts';
import { redact } from '../base/redact.ts';
import { NO_TXID, type TXID } from '../formats/ltx/txid.ts';
import type { DatabaseEntry, DisabledDatabase } from '../service/options.ts';
import type { RequestFacts } from '../service/requests/ledger.ts';
import type { DatabaseHandle, DatabaseState, ProofFacts, ReplicaStatus } from '../service/service.ts';
import type { StartCheck } from '../service/start-check/start-checks.ts';
import { fileTime, type LocalFacts, type LocalFile, readLocalFacts } from './local-files.ts';
import { handleOf } from './lookup.ts';
import { proofOf } from './proofs.ts';
import type { World } from './world.ts';

export interface ReplicaFacts {
  readonly name: string;
  readonly type: string;
  readonly destination: string;
  readonly state: ReplicaStatus['state'];
  readonly txid?: TXID;
  readonly lagTXIDs?: bigint;
  readonly lagSeconds?: number;
  readonly pendingBytes?: number;
  readonly lastUploadAt?: number;
  readonly lastConfirmedAt?: number;
  readonly lastError?: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly hint?: string;
    readonly at: number;
    readonly attempts: number;
    readonly nextTryAt?: number;
    /** What does not look like a server that is only starting. */
    readonly neverAnswered?: true;
  };
  readonly role?: ReplicaStatus['role'];
  readonly proof?: ProofFacts;
  readonly lease?: ReplicaStatus['lease'];
  readonly mirror?: ReplicaStatus['mirror'];
  readonly writeOnly?: ReplicaStatus['writeOnly'];
  readonly maintenance?: ReplicaStatus['maintenance'];
  readonly troubles?: ReplicaStatus['troubles'];
  readonly requests?: RequestFacts;
  readonly check?: StartCheck;
}

export interface DatabaseFacts {
  readonly entry: DatabaseEntry;
  readonly state: DatabaseState;
  readonly code?: ErrorCode;
  readonly message?: string;
  /** What a person can do. */
  readonly hint?: string;
  readonly since?: number;
  readonly position?: { readonly txid: TXID; readonly at?: number };
  readonly sizeBytes?: number;
  readonly wal?: { readonly size: number; readonly pending?: number };
  readonly unprotectedSeconds?: number;
  /** Closed while nobody writes. */
  readonly isCold?: boolean;
  readonly checkpoint?: { readonly lastAt?: number; readonly mode?: 'PASSIVE' | 'TRUNCATE'; readonly worstWriteLockMs: number };
  readonly replicas: readonly ReplicaFacts[];
}

/** How long a replica may take to answer when a state is read from files, ms. */
const LISTING_TIMEOUT_MS = 10_000;
const AT_ONCE = 16;

/** The facts of several databases, in their order. */
export async function readFacts(world: World, entries: readonly DatabaseEntry[], signal: AbortSignal): Promise<DatabaseFacts[]> {
  const facts: DatabaseFacts[] = [];
  for (let start = 0; start < entries.length; start += AT_ONCE) {
    signal.throwIfAborted();
    facts.push(...(await Promise.all(entries.slice(start, start + AT_ONCE).map((entry) => factsOfOne(world, entry, signal)))));
  }
  return facts;
}

function factsOfOne(world: World, entry: DatabaseEntry, signal: AbortSignal): Promise<DatabaseFacts> {
  const disabled = world.disabled?.find((one) => one === entry);
  if (disabled !== undefined) return Promise.resolve(factsOfDisabled(disabled));
  const handle = handleOf(world, entry);
  return handle === undefined ? factsFromFiles(world, entry, signal) : factsFromService(world, entry, handle);
}

function factsOfDisabled(entry: DisabledDatabase): DatabaseFacts {
  const { code, message, hint } = entry.reason;
  const advice = hint === undefined ? {} : { hint: redact(hint) };
  return { entry, state: 'disabled', code: code as ErrorCode, message: firstLine(message), ...advice, replicas: [] };
}

async function factsFromService(world: World, entry: DatabaseEntry, handle: DatabaseHandle): Promise<DatabaseFacts> {
  const { state, since, error, engine, replicas, unprotectedSeconds } = await handle.status();
  const { lastCheckpoint } = engine;
  return {
    entry,
    state,
    ...(error === undefined ? {} : { code: error.code, message: firstLine(error.message) }),
    since,
    ...(engine.txid === NO_TXID ? {} : { position: { txid: engine.txid, ...(engine.txidAt === undefined ? {} : { at: engine.txidAt }) } }),
    ...(state === 'waiting' ? {} : { sizeBytes: engine.dbSize, wal: { size: engine.walSize, pending: engine.pendingWALBytes } }),
    unprotectedSeconds,
    isCold: engine.state === 'cold',
    checkpoint: {
      ...(lastCheckpoint === undefined ? {} : { lastAt: lastCheckpoint.at, mode: lastCheckpoint.mode }),
      worstWriteLockMs: engine.worstWriteLockMs,
    },
    replicas: replicas.map((replica) => ({
      ...proofFacts(world, handle, replica.name),
      ...world.observations?.(entry.settings.path, replica.name),
      ...replicaFacts(replica),
    })),
  };
}

/** What was verified on demand where nothing keeps the record of the replica. */
function proofFacts(world: World, handle: DatabaseHandle, name: string): { readonly proof?: ProofFacts } {
  const running = handle.replicas.find((one) => one.settings.name === name);
  const proof = running && world.proofs.of(running.replica, name).facts(running.position).proof;
  return proof === undefined ? {} : { proof };
}

function replicaFacts({ lastError, ...status }: ReplicaStatus): ReplicaFacts {
  if (lastError === undefined) return status;
  const { error, at, attempts, nextTryAt } = lastError;
  return {
    ...status,
    lastError: {
      code: error.code,
      message: firstLine(error.message),
      ...(error.hint === undefined ? {} : { hint: redact(error.hint) }),
      at,
      attempts,
      ...(nextTryAt === undefined ? {} : { nextTryAt }),
      ...(error.details?.neverAnswered === true ? { neverAnswered: true as const } : {}),
    },
  };
}

async function factsFromFiles(world: World, entry: DatabaseEntry, signal: AbortSignal): Promise<DatabaseFacts> {
  const local = await readLocalFacts(entry.settings);
  const newest = local.files.at(-1);
  return {
    entry,
    state: local.exists ? 'stopped' : 'waiting',
    ...(newest === undefined
      ? {}
      : { position: { txid: newest.maxTXID, ...(local.newestAt === undefined ? {} : { at: local.newestAt }) } }),
    ...(local.dbSize === undefined ? {} : { sizeBytes: local.dbSize, wal: { size: local.walSize } }),
    replicas: await Promise.all(entry.replicas.map((replica) => replicaFromListing(world, entry, replica, local, signal))),
  };
}

async function replicaFromListing(
  world: World,
  entry: DatabaseEntry,
  settings: DatabaseEntry['replicas'][number],
  local: LocalFacts,
  signal: AbortSignal,
): Promise<ReplicaFacts> {
  const identity = { name: settings.name, type: settings.store.type, destination: '' };
  try {
    const replica = await world.replicas.get(entry, settings);
    const identified = { ...identity, destination: redact(replica.store.destination) };
    const txid = await replica.maxTXID(AbortSignal.any([signal, AbortSignal.timeout(LISTING_TIMEOUT_MS)]));
    const pending = local.files.filter((file) => file.maxTXID > txid);
    const proof = await proofOf(world, entry, settings, signal);
    return {
      ...identified,
      state: 'stopped',
      ...(txid === NO_TXID ? {} : { txid }),
      ...(await lagOf(world, local.files, txid, pending)),
      ...(proof === undefined ? {} : { proof }),
    };
  } catch (error) {
    signal.throwIfAborted();
    const { code, message, hint } = errorToData(timeoutAsOurs(error, settings.name));
    const advice = hint === undefined ? {} : { hint: redact(hint) };
    return {
      ...identity,
      state: 'failing',
      lastError: { code, message: firstLine(message), ...advice, at: world.clock.now(), attempts: 1 },
    };
  }
}

async function lagOf(
  world: World,
  files: readonly LocalFile[],
  txid: TXID,
  pending: readonly LocalFile[],
): Promise<{ readonly lagTXIDs?: bigint; readonly lagSeconds?: number }> {
  const newest = files.at(-1);
  if (newest === undefined) return {};
  const [oldest] = pending;
  if (oldest === undefined) return { lagTXIDs: 0n, lagSeconds: 0 };
  const since = await fileTime(oldest);
  return {
    lagTXIDs: newest.maxTXID - txid,
    ...(since === undefined ? {} : { lagSeconds: Math.max(0, world.clock.now() - since) / 1000 }),
  };
}

function timeoutAsOurs(error: unknown, replica: string): unknown {
  if (!(error instanceof Error && error.name === 'TimeoutError')) return error;
  return new LitestreamError('TIMEOUT', `replica ${replica} did not answer within ${LISTING_TIMEOUT_MS / 1000} s`, { cause: error });
}

const firstLine = (text: string): string => redact(text.split('\n', 1).join('')).slice(0, 200);
