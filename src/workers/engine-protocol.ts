/** What crosses between the main loop and an engine thread: verbs, answers and events as plain data; no page, handle or callback ever does. */

import type { ErrorData } from '../base/errors.ts';
import type { LogFields, LogLevel } from '../base/log.ts';
import type { DatabaseEngine } from '../engine/database-engine.ts';
import type { EngineEvent } from '../engine/events.ts';
import type { DatabaseSettings } from '../engine/options.ts';
import type { TXID } from '../formats/ltx/txid.ts';

/** Facts an engine is opened with. */
export interface OpenFacts {
  /** Largest TXID over all replicas; undefined while one of them could not be asked. */
  readonly floor: TXID | undefined;
  /** Path of the daemon's private socket, recorded beside the owner lock. */
  readonly socketPath: string | undefined;
  /** Names the shared locks of this process, which cover its cold databases. */
  readonly sharedId?: string | undefined;
}

type EngineVerb = keyof DatabaseEngine;
export type EngineArguments<V extends EngineVerb> = Parameters<DatabaseEngine[V]>;
export type EngineResult<V extends EngineVerb> = Awaited<ReturnType<DatabaseEngine[V]>>;

export type ToEngine =
  | { readonly kind: 'open'; readonly database: string; readonly settings: DatabaseSettings; readonly facts: OpenFacts }
  | {
      readonly kind: 'call';
      readonly id: number;
      readonly database: string;
      readonly verb: EngineVerb;
      readonly arguments: readonly unknown[];
    };

export type FromEngine =
  | { readonly kind: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failure'; readonly id: number; readonly error: ErrorData }
  /** No engine could be made for the database; those that exist go on. */
  | { readonly kind: 'refused'; readonly database: string; readonly error: ErrorData }
  | { readonly kind: 'event'; readonly database: string; readonly event: EngineEvent }
  | { readonly kind: 'log'; readonly level: LogLevel; readonly message: string; readonly fields: LogFields };
