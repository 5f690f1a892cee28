/** Writes the two audit lines around what acts or destroys; without the first nothing happens (docs/mcp.md, Record). */

import { errorToData } from '../base/errors.ts';
import { redactDeep } from '../base/redact.ts';
import { type AuditEntry, newAuditId } from './audit.ts';
import type { Effect } from './caller.ts';
import { formatInstant } from './moment.ts';
import type { CallContext } from './verb.ts';
import type { World } from './world.ts';

export type Confirmation = 'none' | 'elicitation' | 'operator';

export interface AuditedAct {
  readonly verb: string;
  readonly effect: Effect;
  readonly database?: string;
  readonly args: unknown;
  readonly planId?: string;
  readonly confirmedBy?: Confirmation;
}

/** Calls whose first line is written: what then goes wrong is a result, not a refusal. */
const recorded = new WeakSet<CallContext>();

export const isRecorded = (call: CallContext): boolean => recorded.has(call);

/** Writes the line before, and answers with what writes the line after, once the work has ended. Throws when the first cannot be written. */
export function auditedBy(
  world: World,
  call: CallContext,
  act: AuditedAct,
): <T>(outcome: Promise<T>, bytesOf?: (result: T) => number | undefined) => void {
  const { audit, clock } = world;
  if (audit === undefined) return () => {};
  const common = commonOf(call, act);
  const start = clock.monotonic();
  audit({ ...common, time: formatInstant(clock.now()), stage: 'before', decision: 'allowed' });
  recorded.add(call);
  const after = (result: string, bytes?: number) => {
    const line = { ...common, time: formatInstant(clock.now()), stage: 'after', decision: 'allowed', result } as const;
    try {
      audit({ ...line, duration_ms: Math.round(clock.monotonic() - start), ...(bytes === undefined ? {} : { bytes }) });
    } catch (error) {
      // It has happened; what is left is to say so loudly.
      world.log.log('error', 'the audit line after a call could not be written', { verb: act.verb, error: errorToData(error).message });
    }
  };
  return (outcome, bytesOf) => {
    outcome.then(
      (result) => after('ok', bytesOf?.(result)),
      (error: unknown) => after(errorToData(error).code),
    );
  };
}

/** One line about what was not allowed. Best effort: the refusal stands without it. */
export function auditRefusal(world: World, call: CallContext, act: AuditedAct, code: string): void {
  try {
    world.audit?.({ ...commonOf(call, act), time: formatInstant(world.clock.now()), stage: 'refused', decision: `refused ${code}` });
  } catch (error) {
    world.log.log('error', 'an audit line could not be written', { verb: act.verb, error: errorToData(error).message });
  }
}

function commonOf({ caller }: CallContext, act: AuditedAct): Omit<AuditEntry, 'time' | 'stage' | 'decision'> {
  return {
    id: newAuditId(),
    principal: caller.principal,
    door: caller.door,
    verb: act.verb,
    effect: act.effect,
    ...(act.database === undefined ? {} : { database: act.database }),
    args: redactDeep(act.args),
    ...(act.planId === undefined ? {} : { plan_id: act.planId }),
    ...(act.confirmedBy === undefined ? {} : { confirmed_by: act.confirmedBy }),
  };
}
