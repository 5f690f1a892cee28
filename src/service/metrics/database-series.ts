/**
 * What is counted of one database and its replicas, in plain fields: numbers cost nothing until there are some, and labels are not kept
 * anywhere. A thousand idle databases are told about in every exposition and must cost next to nothing in between.
 */

import type { ColdCount } from '../cold/support.ts';
import type { CompanionCount } from '../companions/companion.ts';
import type { RequestClass } from '../requests/ledger.ts';
import type { DatabaseState, ProofFacts, ReplicaStatus } from '../service.ts';
import type { Histogram } from './histogram.ts';

/** Numbers by the value of a label, as far as there are any. */
export type Counts<K extends string> = Partial<Record<K, number>>;

/** Adds to one of them; returns all. */
export function add<K extends string>(counts: Counts<K> | undefined, key: K, amount: number): Counts<K> {
  const all: Counts<K> = counts ?? {};
  all[key] = (all[key] ?? 0) + amount;
  return all;
}

export class DatabaseSeries {
  /** Absolute path. */
  readonly path: string;
  replicas: readonly ReplicaSeries[] = [];

  // Told by the engine; undefined until it has.
  dbSize: number | undefined;
  walSize: number | undefined;
  txid: number | undefined;
  walBytes: number | undefined;
  isDiskFull: boolean | undefined;
  passes = 0;
  failedPasses = 0;
  passSeconds = 0;
  checkpoints: CheckpointSeries | undefined;
  cold: Counts<ColdCount> | undefined;

  // As at the beginning of the newest exposition; the state is undefined before.
  state: DatabaseState | undefined;
  unprotectedSeconds = 0;
  /** Undefined where a database is never closed. */
  isCold: boolean | undefined;

  constructor(path: string) {
    this.path = path;
  }

  /** The replica of this name; made when it is first spoken of. */
  replica(name: string): ReplicaSeries {
    const known = this.replicas.find((one) => one.name === name);
    if (known !== undefined) return known;
    const made = new ReplicaSeries(name);
    // A list that grows by itself takes room for many.
    this.replicas = [...this.replicas, made];
    return made;
  }
}

export class ReplicaSeries {
  readonly name: string;
  requests: Counts<RequestClass> | undefined;
  traffic: Counts<'sent' | 'received'> | undefined;
  companions: Counts<CompanionCount> | undefined;
  /** By code. */
  uploadErrors: Counts<string> | undefined;

  // As at the beginning of the newest exposition; the state is undefined before.
  state: ReplicaStatus['state'] | undefined;
  role: ReplicaStatus['role'] = 'required';
  lagSeconds = 0;
  pendingBytes = 0;
  txid: number | undefined;
  /** ms since the epoch. */
  confirmedAt: number | undefined;
  troubles = 0;
  proof: ProofFacts | undefined;

  constructor(name: string) {
    this.name = name;
  }
}

export interface CheckpointSeries {
  readonly byMode: Record<string, { tried: number; failed: number; seconds: number }>;
  /** Undefined until one has succeeded, s. */
  writeLock: Histogram | undefined;
}
