/** The replicas of one database: store, cadence and name, with the top level's values as defaults. */

import type { ReplicaSettings } from '../engine/options.ts';
import type { StoreSpec } from '../storage/spec.ts';
import { resolveAge } from './age.ts';
import type { PlacedReplica } from './database-draft.ts';
import { resolveDestination } from './destination.ts';
import type { MapNode } from './document.ts';
import type { Environment } from './expand.ts';
import type { Findings } from './findings.ts';
import { resolveCare, type Written } from './maintenance.ts';
import { absolutePath } from './paths.ts';
import { REPLICA_KEYS, type TOP_KEYS } from './schema.ts';
import { type Placed, readSection, type Values } from './section.ts';
import { reportConditions } from './stores/conditions.ts';

export const DEFAULT_SYNC_INTERVAL_MS = 1000;
const DEFAULT_MAX_SYNC_FILES = 256;
const NAME = /^[A-Za-z0-9._-]{1,64}$/;

type ReplicaValues = Values<typeof REPLICA_KEYS>;

/** Reads every replica; one that cannot be used leaves a finding and is absent from the result. */
export function resolveReplicas(
  nodes: readonly MapNode[],
  { database, top }: Omit<Written, 'replica'>,
  env: Environment,
  findings: Findings,
): readonly PlacedReplica[] {
  const taken = new Set<string>();
  return nodes.flatMap((node) => {
    const values = readSection(node, REPLICA_KEYS, findings);
    const { identities: ageIdentities, encryption } = resolveAge(values.age ?? top.age, env, findings);
    const found = resolveDestination(values, top, { env, findings, at: node.at });
    if (found === undefined) return [];
    const { store, dated } = found;
    const name = replicaName(values.name, store.type, taken, findings);
    const care = resolveCare({ replica: values, database, top }, env, findings);
    reportConditions(store, care.lease === undefined ? undefined : (values.lease ?? top.lease)?.at, node.at, findings);
    return [
      {
        settings: {
          ...replicaSettings(name, encryption === undefined ? store : { ...store, encryption }, values, top, env),
          ...care,
          ...(dated === undefined ? {} : { dated }),
          ...(ageIdentities.length === 0 ? {} : { ageIdentities }),
        },
        at: node.at,
      },
    ];
  });
}

function replicaSettings(
  name: string,
  store: StoreSpec,
  values: ReplicaValues,
  top: Values<typeof TOP_KEYS>,
  env: Environment,
): ReplicaSettings {
  const files = (values['max-sync-ltx-files'] ?? top['max-sync-ltx-files'])?.value ?? DEFAULT_MAX_SYNC_FILES;
  return {
    name,
    store,
    syncIntervalMs: (values['sync-interval'] ?? top['sync-interval'])?.value ?? DEFAULT_SYNC_INTERVAL_MS,
    maxSyncFiles: files > 0 ? files : Number.POSITIVE_INFINITY,
    ...(values.required?.value === false ? { role: 'best-effort' } : {}),
    ...(values.mirror === undefined ? {} : { mirror: absolutePath(values.mirror.value, env) }),
  };
}

function replicaName(name: Placed<string> | undefined, type: string, taken: Set<string>, findings: Findings): string {
  if (name !== undefined) {
    if (!NAME.test(name.value)) findings.error(name.at, 'a name has 1 to 64 letters, digits, dots, underscores or hyphens');
    if (taken.has(name.value)) findings.error(name.at, 'another replica of this database has the same name');
    taken.add(name.value);
    return name.value;
  }
  let unique = type;
  for (let number = 2; taken.has(unique); number++) unique = `${type}-${number}`;
  taken.add(unique);
  return unique;
}
