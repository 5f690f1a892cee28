/** What every call of a door shares, made once per door. */

import { type Clock, systemClock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Control } from '../control/control.ts';
import type { AuditLog } from './audit.ts';
import type { CallServices } from './call.ts';
import { CallGate, type CallLimits, DEFAULT_LIMITS } from './limits.ts';
import { type MCPObserver, silentObserver } from './observer.ts';
import type { MCPSettings } from './options.ts';
import { RESULT_CHARS_CEILING } from './presenter.ts';

export interface DoorOptions {
  readonly log: Logger;
  readonly clock?: Clock;
  readonly observer?: MCPObserver;
  readonly limits?: CallLimits;
}

export function makeServices(
  control: Control,
  audit: AuditLog,
  settings: Pick<MCPSettings, 'auditReads' | 'maxResultChars'>,
  { log, clock = systemClock, observer = silentObserver, limits = DEFAULT_LIMITS }: DoorOptions,
): CallServices {
  return {
    control,
    gate: new CallGate(limits, clock),
    audit,
    auditReads: settings.auditReads,
    observer,
    clock,
    log,
    maxResultChars: Math.min(settings.maxResultChars, RESULT_CHARS_CEILING),
  };
}
