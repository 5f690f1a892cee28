/** Collects what a job thread asks of its destinations, and tells it now and then. */

import type { JobRequests } from '../engine/job-requests.ts';
import type { OpenReplicaOptions } from '../replica/open.ts';
import { destinationKey } from '../storage/place.ts';
import type { StoreSpec } from '../storage/spec.ts';
import type { StoreOperation } from '../storage/wrap/meter.ts';

const TELL_MS = 1_000;

interface Pending {
  readonly type: string;
  operations: StoreOperation[];
  retries: string[];
}

export class JobRequestCounts {
  readonly #tell: (requests: readonly JobRequests[]) => void;
  readonly #pending = new Map<string, Pending>();
  #timer: NodeJS.Timeout | undefined;

  constructor(tell: (requests: readonly JobRequests[]) => void) {
    this.#tell = tell;
  }

  /** For opening a replica whose requests count. */
  countingAt(store: StoreSpec): OpenReplicaOptions {
    let pending: Pending | undefined;
    const of = (): Pending => {
      // Asked for when something happens: a local job contacts nothing.
      pending ??= this.#pendingOf(store);
      this.#timer ??= setTimeout(() => this.flush(), TELL_MS).unref();
      return pending;
    };
    return {
      meter: (operation) => void of().operations.push(operation),
      retry: { onRetry: (operation) => void of().retries.push(operation) },
    };
  }

  /** Tells what has not been told. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const requests: JobRequests[] = [];
    for (const [destination, pending] of this.#pending) {
      const { type, operations, retries } = pending;
      if (operations.length === 0 && retries.length === 0) continue;
      requests.push({ destination, type, operations, retries });
      pending.operations = [];
      pending.retries = [];
    }
    if (requests.length > 0) this.#tell(requests);
  }

  #pendingOf(store: StoreSpec): Pending {
    const key = destinationKey(store);
    const pending = this.#pending.get(key) ?? { type: store.type, operations: [], retries: [] };
    this.#pending.set(key, pending);
    return pending;
  }
}
