/** Opens the replicas of one restore as one source, each when it is first needed, and closes them. */

import type { RestoreAlternates } from '../engine/jobs.ts';
import { type NamedSource, SeveralSources } from '../engine/restore/several-sources.ts';
import type { Replica } from '../replica/replica.ts';
import type { StoreSpec } from '../storage/spec.ts';

/** @param opener its `source` is open already, and closed by the caller. */
export async function withSources<T>(
  { name = 'the replica', alternates = [], combine = false }: RestoreAlternates,
  { source: chosen, open }: { readonly source: Replica; readonly open: (store: StoreSpec) => Promise<Replica> },
  work: (source: SeveralSources) => Promise<T>,
): Promise<T> {
  const opened: Replica[] = [];
  const others = alternates.map(
    (alternate): NamedSource => ({
      name: alternate.name,
      open: async () => {
        const replica = await open(alternate.store);
        opened.push(replica);
        return replica;
      },
    }),
  );
  try {
    return await work(new SeveralSources({ sources: [{ name, open: async () => chosen }, ...others], combine }));
  } finally {
    await Promise.allSettled(opened.map((replica) => replica.close()));
  }
}
