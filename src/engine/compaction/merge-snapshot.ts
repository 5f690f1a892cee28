/** A level-9 file made from what the replica itself holds, for a database that is not open (docs/engine.md, Levels). */

import { SNAPSHOT_LEVEL } from '../../replica/file-info.ts';
import { listCatalogue } from '../restore/catalogue.ts';
import { planRestore } from '../restore/plan.ts';
import { LATEST } from '../restore/target.ts';
import { type Merged, type MergeTools, mergeInto } from './merge-step.ts';

/**
 * Merges the chain to the newest restorable state into level 9; undefined when level 9 has that state already.
 *
 * Throws what planning (LTX_GAP: only the database itself can close a hole) and merging throw.
 */
export async function mergeSnapshot(tools: MergeTools): Promise<Merged | undefined> {
  const files = await listCatalogue(tools.replica, { signal: tools.signal });
  const plan = planRestore(files, LATEST);
  const { txid } = plan.reached;
  if (files.some(({ level, minTXID, maxTXID }) => level === SNAPSHOT_LEVEL && minTXID <= 1n && maxTXID === txid)) return undefined;
  return mergeInto(SNAPSHOT_LEVEL, plan.files, tools);
}
