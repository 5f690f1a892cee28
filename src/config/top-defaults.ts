/** Values of the top level that reach no replica, or replicas they cannot be meant for together. */

import type { ReplicaSettings } from '../engine/options.ts';
import type { Findings } from './findings.ts';
import type { SectionSpec } from './schema.ts';
import type { Values } from './section.ts';
import { readersOf } from './stores/kinds.ts';

/** Reports store keys of the top level that no configured replica reads, and one secret or endpoint for several kinds of store. */
export function reportTopDefaults(
  top: Values<SectionSpec>,
  keys: SectionSpec,
  replicas: readonly ReplicaSettings[],
  findings: Findings,
): void {
  if (replicas.length === 0) return;
  const types = [...new Set(replicas.map(({ store }) => store.type))];
  for (const [name, value] of Object.entries(top)) {
    const readers = readersOf(name);
    if (value === undefined || readers.length === 0) continue;
    const reached = types.filter((type) => readers.includes(type));
    if (reached.length === 0) findings.warning(value.at, `no effect: no replica is of a type that reads it (${readers.join(', ')})`);
    else if (reached.length > 1 && isOfOneService(keys, name))
      findings.warning(
        value.at,
        `reaches replicas of ${reached.length} kinds of store (${reached.join(', ')}); write it in those that it is meant for`,
      );
  }
}

const isOfOneService = (keys: SectionSpec, name: string): boolean => keys[name]?.secret === true || name === 'endpoint';
