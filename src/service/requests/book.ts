/** The request ledgers of all replicas of a daemon, with what its job threads have asked of them. */

import type { Clock } from '../../base/clock.ts';
import type { JobRequests } from '../../engine/job-requests.ts';
import { destinationKey } from '../../storage/place.ts';
import type { StoreSpec } from '../../storage/spec.ts';
import type { MeterOptions, StoreListener, StoreOperation } from '../../storage/wrap/meter.ts';
import type { RetryOptions } from '../../storage/wrap/retry.ts';
import { type RequestFacts, RequestLedger } from './ledger.ts';

/** Whoever counts for the whole process. `db` and `replica` are absent for a destination that belongs to none. */
export interface RequestListener {
  called(operation: StoreOperation, of: { readonly db: string; readonly replica: string } | undefined): void;
  retried(type: string, operation: string): void;
  streams(type: string, change: 1 | -1): void;
}

/** For `openReplica`. */
export interface Counting {
  readonly meter: StoreListener;
  readonly onStreams: MeterOptions['onStreams'] & {};
  readonly retry: { readonly onRetry: RetryOptions['onRetry'] & {} };
}

interface Account {
  readonly db: string;
  readonly replica: string;
  readonly ledger: RequestLedger;
}

export class RequestBook {
  readonly #clock: Clock;
  readonly #listener: RequestListener;
  readonly #accounts = new Map<string, Map<string, Account>>();
  readonly #byDestination = new Map<string, Account>();

  constructor(clock: Clock, listener: RequestListener) {
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Counts what a client of this replica asks from now on; a replica that moved keeps its ledger. */
  counting(db: string, replica: string, store: StoreSpec): Counting {
    const account = this.#accountOf(db, replica);
    this.#byDestination.set(destinationKey(store), account);
    return this.#countingFor(store.type, account);
  }

  /** The same for a client of a destination that may be anybody's. */
  countingAt(store: StoreSpec): Counting {
    return this.#countingFor(store.type, this.#byDestination.get(destinationKey(store)));
  }

  /** What a job thread tells. */
  note({ destination, type, operations, retries }: JobRequests): void {
    const account = this.#byDestination.get(destination);
    for (const operation of operations) this.#called(operation, account);
    for (const operation of retries) this.#retried(type, operation, account);
  }

  /** Undefined for a replica that was never opened here. */
  of(db: string, replica: string): RequestFacts | undefined {
    return this.#accounts.get(db)?.get(replica)?.ledger.facts();
  }

  /** The database is let go. */
  forget(db: string): void {
    const gone = new Set(this.#accounts.get(db)?.values());
    this.#accounts.delete(db);
    for (const [key, account] of this.#byDestination) if (gone.has(account)) this.#byDestination.delete(key);
  }

  #accountOf(db: string, replica: string): Account {
    const ofDatabase = this.#accounts.get(db) ?? new Map<string, Account>();
    this.#accounts.set(db, ofDatabase);
    const account = ofDatabase.get(replica) ?? { db, replica, ledger: new RequestLedger(this.#clock) };
    ofDatabase.set(replica, account);
    return account;
  }

  #countingFor(type: string, account: Account | undefined): Counting {
    return {
      meter: (operation) => this.#called(operation, account),
      onStreams: (change) => this.#listener.streams(type, change),
      retry: { onRetry: (operation) => this.#retried(type, operation, account) },
    };
  }

  #called(operation: StoreOperation, account: Account | undefined): void {
    account?.ledger.note(operation);
    this.#listener.called(operation, account);
  }

  #retried(type: string, operation: string, account: Account | undefined): void {
    account?.ledger.retried();
    this.#listener.retried(type, operation);
  }
}
