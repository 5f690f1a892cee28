/** Where the files of a replica are, for whoever reads: one place, or one for each date so far. */

import { DateTemplate } from '../base/date-template.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { listDestinations } from '../replica/dated.ts';

/**
 * The replica once for each destination it has had, newest date first. The newest keeps the name of the replica, each older one is called
 * `NAME@` and what its date makes of the template. A replica that is not dated, or has written nothing yet, stands for itself.
 */
export async function destinationsOf(settings: ReplicaSettings): Promise<readonly ReplicaSettings[]> {
  const { dated, store, ...rest } = settings;
  if (dated === undefined) return [settings];
  const { root } = new DateTemplate(dated.template, dated.zone);
  const found = await listDestinations({ store, dated });
  if (found.length === 0) return [settings];
  return found.map((place, index) => ({
    ...rest,
    store: place,
    name: index === 0 ? settings.name : `${settings.name}@${place.path.slice(root.length)}`,
  }));
}

/** The name of the replica that a destination belongs to. */
export const replicaNameOf = (destination: string): string => destination.split('@', 1)[0] ?? destination;
