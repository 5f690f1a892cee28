/** What the states of an engine and of its replicas come to: one word, since when, why, and for how long changes have been at risk. */

import type { Clock } from '../base/clock.ts';
import type { ErrorData } from '../base/errors.ts';
import type { EngineStatus } from '../engine/database-engine.ts';
import { decisive } from './roles.ts';
import type { DatabaseState, DatabaseStatus, ReplicaStatus } from './service.ts';

export class Verdict {
  readonly #clock: Clock;
  readonly #lagBudgetMs: number;
  #state: DatabaseState | undefined;
  #since = 0;

  constructor(clock: Clock, lagBudgetMs: number) {
    this.#clock = clock;
    this.#lagBudgetMs = lagBudgetMs;
  }

  /**
   * Best-effort replicas are shown and do not count, except that they, too, may be the one that protects.
   * @param unseenSeconds see CaptureCheck.
   */
  over(engine: EngineStatus, replicas: readonly ReplicaStatus[], unseenSeconds: number): DatabaseStatus {
    const uncaptured = engine.state === 'waiting' ? 0 : Math.max(this.#pendingSeconds(engine), unseenSeconds);
    const counting = decisive(replicas, ({ role }) => role);
    const state = this.#judge(engine, counting, uncaptured);
    const error = engine.error ?? standingError(counting) ?? (state === 'degraded' ? lateness(uncaptured, counting) : undefined);
    return {
      state,
      since: this.#sinceOf(state, engine),
      ...(error === undefined ? {} : { error }),
      engine,
      replicas,
      // A change is protected as soon as one replica has it: the best one decides.
      unprotectedSeconds: Math.max(uncaptured, replicas.length === 0 ? 0 : Math.min(...replicas.map(({ lagSeconds }) => lagSeconds))),
    };
  }

  #judge(engine: EngineStatus, replicas: readonly ReplicaStatus[], uncapturedSeconds: number): DatabaseState {
    const isLate = uncapturedSeconds * 1000 > this.#lagBudgetMs;
    switch (engine.state) {
      case 'failing':
      case 'stopped':
        return engine.state;
      case 'starting':
        // It may be waiting for a replica that does not answer, and nothing is captured meanwhile.
        if (replicas.some(({ state }) => state === 'failing')) return 'failing';
        return isLate ? 'degraded' : 'starting';
      case 'waiting':
        // There is nothing to protect but what an earlier database left behind.
        return troubled(replicas.filter(({ pendingBytes }) => pendingBytes > 0)) ?? 'waiting';
      case 'cold':
      case 'replicating':
        return troubled(replicas) ?? (isLate ? 'degraded' : 'replicating');
    }
  }

  /** The engine knows since when it is in a state; of a state that replicas decide, this is where its beginning is seen. */
  #sinceOf(state: DatabaseState, engine: EngineStatus): number {
    if (state !== this.#state) {
      const isEngines = this.#state === undefined || (state === engine.state && engine.since > this.#since);
      this.#since = isEngines ? engine.since : this.#clock.now();
    }
    this.#state = state;
    return state === engine.state ? Math.max(engine.since, this.#since) : this.#since;
  }

  #pendingSeconds({ pendingSince }: EngineStatus): number {
    return pendingSince === undefined ? 0 : Math.max(0, this.#clock.now() - pendingSince) / 1000;
  }
}

/** `failing` when every replica is, `degraded` when one is failing or behind. */
function troubled(replicas: readonly ReplicaStatus[]): 'failing' | 'degraded' | undefined {
  if (replicas.length > 0 && replicas.every(({ state }) => state === 'failing')) return 'failing';
  return replicas.some(({ state }) => state === 'failing' || state === 'degraded') ? 'degraded' : undefined;
}

const standingError = (replicas: readonly ReplicaStatus[]): ErrorData | undefined =>
  replicas.find(({ lastError }) => lastError !== undefined)?.lastError?.error ??
  replicas.find(({ troubles }) => troubles !== undefined)?.troubles?.[0]?.error;

/** Changes wait, and nothing says that it has failed. */
function lateness(uncapturedSeconds: number, replicas: readonly ReplicaStatus[]): ErrorData | undefined {
  const late = replicas.find(({ state }) => state === 'degraded');
  const what =
    late === undefined
      ? `changes have been waiting to be captured for ${Math.round(uncapturedSeconds)} s`
      : `replica ${late.name} is ${Math.round(late.lagSeconds)} s behind`;
  return { code: 'NOT_REPLICATED', message: what, hint: 'Look at the newest lines of the log; if nothing else helps, restart the daemon.' };
}
