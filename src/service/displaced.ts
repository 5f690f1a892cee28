/** What it means for a replica that another process writes to it. */

import type { ErrorData } from '../base/errors.ts';
import type { ReplicaStatus } from './service.ts';

/** Another process has taken our place there: a lost renewal alone is no such thing. */
export const isDisplaced = ({ code, details }: ErrorData): boolean =>
  code === 'SECOND_WRITER' || (code === 'LEASE_LOST' && details?.taken === true);

type LastError = NonNullable<ReplicaStatus['lastError']>;

/** The failure with what to do about what the other writer's replica does not have. */
export function advised(last: LastError, advice: string | undefined): LastError {
  if (advice === undefined || !isDisplaced(last.error)) return last;
  const hint = last.error.hint === undefined ? advice : `${last.error.hint} ${advice}`;
  return { ...last, error: { ...last.error, hint } };
}
