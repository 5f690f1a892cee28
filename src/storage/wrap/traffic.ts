/** What all replicas at one destination share in this thread: the requests at once, the rates, and whether it answers. */

import { type Clock, systemClock } from '../../base/clock.ts';
import { type Logger, silentLogger } from '../../base/log.ts';
import { containerKey } from '../place.ts';
import type { StoreSpec } from '../spec.ts';
import { answeredInProcess } from './answered.ts';
import type { Rates } from './bandwidth.ts';
import { Episode } from './episode.ts';
import { Governor } from './governor.ts';
import { Outage } from './outage.ts';
import { TokenBucket } from './token-bucket.ts';

/** Requests at once at one destination unless its settings say otherwise. */
const OPERATIONS = 64;

export interface Traffic {
  readonly governor: Governor;
  readonly outage: Outage;
  /** Requests there go silent. */
  readonly stalls: Episode;
  readonly rates: Rates;
}

export interface SharedTraffic extends Traffic {
  /** Counts this user off; what nobody uses is forgotten. */
  release(): void;
}

interface Entry {
  readonly traffic: Traffic;
  users: number;
}

const shared = new WeakMap<Clock, Map<string, Entry>>();

/** The traffic of the destination of `spec`, made by its first user. Specs that set other bounds for the same destination are apart. */
export function trafficOf(
  spec: StoreSpec,
  { clock = systemClock, log = silentLogger }: { clock?: Clock; log?: Logger } = {},
): SharedTraffic {
  const entries = shared.get(clock) ?? new Map<string, Entry>();
  shared.set(clock, entries);
  const key = JSON.stringify([containerKey(spec), spec.transport]);
  const entry = entries.get(key) ?? { traffic: makeTraffic(spec, clock, log), users: 0 };
  entries.set(key, entry);
  entry.users += 1;
  let isUsed = true;
  return {
    ...entry.traffic,
    release: () => {
      if (!isUsed) return;
      isUsed = false;
      entry.users -= 1;
      if (entry.users === 0) entries.delete(key);
    },
  };
}

function makeTraffic(spec: StoreSpec, clock: Clock, log: Logger): Traffic {
  const { uploadBytesPerSecond: up, downloadBytesPerSecond: down, operations = OPERATIONS } = spec.transport ?? {};
  const place = { type: spec.type, ...('bucket' in spec ? { bucket: spec.bucket } : {}) };
  return {
    governor: new Governor(operations, clock, {
      throttled: (limit) => log.log('warn', 'the destination throttles: fewer requests at once until it recovers', { ...place, limit }),
      recovered: () => log.log('info', 'the destination no longer throttles', place),
    }),
    outage: new Outage(clock, answeredInProcess(containerKey(spec))),
    stalls: new Episode(clock),
    rates: {
      ...(up === undefined ? {} : { upload: new TokenBucket(up, clock) }),
      ...(down === undefined ? {} : { download: new TokenBucket(down, clock) }),
    },
  };
}
