/** What all replicas at one destination share in this thread: the requests at once, the rates, and whether it answers. */

import { type Clock, systemClock } from '../../base/clock.ts';
import { type LogFields, type Logger, silentLogger } from '../../base/log.ts';
import { containerKey } from '../place.ts';
import type { StoreSpec } from '../spec.ts';
import { answeredInProcess } from './answered.ts';
import type { Rates } from './bandwidth.ts';
import { Episode } from './episode.ts';
import { Governor, type GovernorListener } from './governor.ts';
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
  return new Use(entries, key, entry);
}

/** One user of what is shared. */
class Use implements SharedTraffic {
  readonly #entries: Map<string, Entry>;
  readonly #key: string;
  readonly #entry: Entry;
  #isOver = false;

  constructor(entries: Map<string, Entry>, key: string, entry: Entry) {
    this.#entries = entries;
    this.#key = key;
    this.#entry = entry;
  }

  get governor(): Governor {
    return this.#entry.traffic.governor;
  }

  get outage(): Outage {
    return this.#entry.traffic.outage;
  }

  get stalls(): Episode {
    return this.#entry.traffic.stalls;
  }

  get rates(): Rates {
    return this.#entry.traffic.rates;
  }

  release(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#entry.users -= 1;
    if (this.#entry.users === 0) this.#entries.delete(this.#key);
  }
}

function makeTraffic(spec: StoreSpec, clock: Clock, log: Logger): Traffic {
  const { uploadBytesPerSecond: up, downloadBytesPerSecond: down, operations = OPERATIONS } = spec.transport ?? {};
  return {
    governor: new Governor(operations, clock, new ThrottleLines(log, spec)),
    outage: new Outage(clock, answeredInProcess(containerKey(spec))),
    stalls: new Episode(clock),
    rates: {
      ...(up === undefined ? {} : { upload: new TokenBucket(up, clock) }),
      ...(down === undefined ? {} : { download: new TokenBucket(down, clock) }),
    },
  };
}

/** What the log says about a destination that throttles. */
class ThrottleLines implements GovernorListener {
  readonly #log: Logger;
  readonly #spec: StoreSpec;

  constructor(log: Logger, spec: StoreSpec) {
    this.#log = log;
    this.#spec = spec;
  }

  throttled(limit: number): void {
    this.#log.log('warn', 'the destination throttles: fewer requests at once until it recovers', { ...this.#place, limit });
  }

  recovered(): void {
    this.#log.log('info', 'the destination no longer throttles', this.#place);
  }

  get #place(): LogFields {
    return { type: this.#spec.type, ...('bucket' in this.#spec ? { bucket: this.#spec.bucket } : {}) };
  }
}
