/** Which replicas of a database its state, its waits and its exit depend on (docs/engine.md, Several replicas). */

import type { ReplicaSettings } from '../engine/options.ts';

type Role = NonNullable<ReplicaSettings['role']>;

/** The required ones. Where none is, every one is decisive: somebody has to vouch for the database. */
export function decisive<T>(replicas: readonly T[], roleOf: (replica: T) => Role | undefined): readonly T[] {
  const required = replicas.filter((replica) => roleOf(replica) !== 'best-effort');
  return required.length > 0 ? required : replicas;
}
