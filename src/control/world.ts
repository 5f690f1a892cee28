/** What verbs work on. */

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { RunJob } from '../engine/jobs.ts';
import type { DirectorySettings } from '../service/directories/options.ts';
import type { DatabaseEntry, DisabledDatabase } from '../service/options.ts';
import { ProofLedgers } from '../service/proof/ledger.ts';
import type { RequestFacts } from '../service/requests/ledger.ts';
import type { ReplicationService } from '../service/service.ts';
import type { StartCheck } from '../service/start-check/start-checks.ts';
import { AllowedDirectories } from './allowed-directories.ts';
import type { AuditSink } from './audit.ts';
import { JOB_LIMITS, Jobs } from './jobs.ts';
import type { RestoreGateSettings } from './options.ts';
import { Plans } from './plans.ts';
import { type OpenReplica, ReplicaAccess } from './replicas.ts';

/** What the composition root hands over. */
export interface WorldParts {
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Every configured database as of now; the running service holds the same ones. */
  readonly entries: readonly DatabaseEntry[];
  /** What is configured and cannot be used as it is: shown, and refused by name. Default none. */
  readonly disabled?: readonly DisabledDatabase[];
  /** Directories whose members come and go; one that is gone may still have a backup. Default none. */
  readonly directories?: readonly DirectorySettings[];
  /** Absent offline. */
  readonly service: ReplicationService | undefined;
  readonly gate: RestoreGateSettings;
  /** Files no restore may touch: configuration, tokens, audit log (docs/mcp.md, A restore takes two calls). */
  readonly protectedPaths: readonly string[];
  /** Runs restores and verifications where pages may be moved without delaying anyone (decision 5). */
  readonly runJob: RunJob;
  /** Lag in ms above which a replica counts as behind. */
  readonly lagBudgetMs?: number;
  /** Opens a replica the service does not hold; by default its bare store. */
  readonly openReplica?: OpenReplica;
  readonly sqliteVersion?: string;
  /** Revisions the MCP doors speak. */
  readonly protocol?: { readonly modern: readonly string[]; readonly legacy: readonly string[] };
  /** What verifications have shown; the running service holds the same ones. By default a world of its own. */
  readonly proofs?: ProofLedgers;
  /** What was found out about a replica of the running service besides its status: its requests, and how it was at the start. */
  readonly observations?: (db: string, replica: string) => { readonly requests?: RequestFacts; readonly check?: StartCheck };
  /** Captures and uploads what a database has not sent yet, within a bound; rejects with what stood in the way. Absent beside a running service. */
  readonly sendTail?: (entry: DatabaseEntry, signal: AbortSignal) => Promise<void>;
  /** Takes a line before and after everything that acts or destroys; what it refuses does not happen. */
  readonly audit?: AuditSink;
}

export interface World extends WorldParts {
  readonly jobs: Jobs;
  readonly plans: Plans;
  readonly proofs: ProofLedgers;
  readonly replicas: ReplicaAccess;
  readonly allowed: AllowedDirectories;
}

/** Joins the parts with what control keeps for itself. Resolves the allowed restore directories from now on. */
export function makeWorld(parts: WorldParts): World {
  const { clock, gate, log, version } = parts;
  return {
    ...parts,
    // Members of directories come and go.
    get entries() {
      return parts.entries;
    },
    jobs: new Jobs({ clock, limits: JOB_LIMITS }),
    plans: new Plans({ clock, ttlMs: gate.planTTLMs }),
    proofs: parts.proofs ?? new ProofLedgers(clock, log, version),
    replicas: new ReplicaAccess(parts.service, parts.openReplica),
    allowed: new AllowedDirectories(gate.restoreDirs, { create: parts.service !== undefined }),
  };
}
