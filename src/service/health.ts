/** The verdict over all databases: what is alive, ready and protected. */

import { formatTXID } from '../formats/ltx/txid.ts';
import type { DisabledDatabase } from './options.ts';
import type { DatabaseHandle, DatabaseState, DirectoryStatus, ProofFacts, ReplicaStatus } from './service.ts';

export interface Health {
  /** `ok` when nothing is failing or behind its budget. */
  readonly status: 'ok' | 'failing';
  readonly databases: readonly {
    readonly name: string;
    readonly state: DatabaseState;
    readonly code?: string;
    /** Absent for a disabled one: nobody looks. */
    readonly unprotected_seconds?: number;
    readonly replicas: readonly {
      readonly name: string;
      /** Absent for a required one. */
      readonly role?: 'best-effort';
      readonly state: string;
      readonly txid?: string;
      readonly lag_seconds: number;
      readonly code?: string;
      /** Of the newest verification. */
      readonly proof?: ProofFacts['outcome'];
    }[];
  }[];
  /** Watched directories of databases; absent without any. */
  readonly directories?: readonly {
    readonly dir: string;
    readonly state: DirectoryStatus['state'];
    readonly members: number;
    /** Of what stands in the way. */
    readonly code?: string;
  }[];
}

const UNHEALTHY: ReadonlySet<DatabaseState> = new Set(['degraded', 'failing', 'stopped', 'disabled']);

/** True for states in which changes are not protected as configured. */
export const isUnhealthy = (state: DatabaseState): boolean => UNHEALTHY.has(state);

/** Everything, with a verdict that is `failing` as soon as one database, replica or watched directory is, or a database is disabled. */
export async function checkHealth(
  databases: readonly DatabaseHandle[],
  watched: readonly DirectoryStatus[] = [],
  disabled: readonly DisabledDatabase[] = [],
): Promise<Health> {
  const checked = [...(await Promise.all(databases.map(checkDatabase))), ...disabled.map(describeDisabled)];
  const directories = watched.map(({ dir, state, members, problems }) => {
    const code = problems[0]?.error.code;
    return { dir, state, members, ...(code === undefined ? {} : { code }) };
  });
  const isFailing = checked.some(({ state }) => isUnhealthy(state)) || directories.some(({ state }) => state === 'degraded');
  return { status: isFailing ? 'failing' : 'ok', databases: checked, ...(directories.length === 0 ? {} : { directories }) };
}

/** True once no database is still starting; waiting for a file that does not exist yet counts as ready. */
export async function isReady(databases: readonly DatabaseHandle[]): Promise<boolean> {
  const states = await Promise.all(databases.map(async (database) => (await database.status()).state));
  return !states.includes('starting');
}

async function checkDatabase(database: DatabaseHandle): Promise<Health['databases'][number]> {
  const status = await database.status();
  return {
    name: database.settings.name,
    state: status.state,
    ...(status.error === undefined ? {} : { code: status.error.code }),
    unprotected_seconds: inMilliseconds(status.unprotectedSeconds),
    replicas: status.replicas.map((replica) => ({
      name: replica.name,
      ...(replica.role === 'best-effort' ? { role: replica.role } : {}),
      state: replica.state,
      ...(replica.txid === undefined ? {} : { txid: formatTXID(replica.txid) }),
      lag_seconds: inMilliseconds(replica.lagSeconds),
      ...codeOf(replica),
      ...(replica.proof === undefined ? {} : { proof: replica.proof.outcome }),
    })),
  };
}

const describeDisabled = ({ settings, reason }: DisabledDatabase): Health['databases'][number] => ({
  name: settings.name,
  state: 'disabled',
  code: reason.code,
  replicas: [],
});

/** Seconds with three digits behind the point. */
const inMilliseconds = (seconds: number): number => Math.round(seconds * 1000) / 1000;

function codeOf({ lastError, troubles }: ReplicaStatus): { readonly code?: string } {
  const error = lastError?.error ?? troubles?.[0]?.error;
  return error === undefined ? {} : { code: error.code };
}
