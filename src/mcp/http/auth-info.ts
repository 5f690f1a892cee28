/** Carries the visitor of an HTTP request through the SDK to the handler of the call. The token itself stays behind. */

import type { AuthInfo } from '@modelcontextprotocol/server';
import { LitestreamError } from '../../base/errors.ts';
import type { Caller } from '../../control/caller.ts';
import type { Visitor } from './guards.ts';

export function authInfoOf({ caller }: Visitor): AuthInfo {
  return { token: '', clientId: caller.principal, scopes: [...caller.scopes], extra: { caller } };
}

/** The caller put in by `authInfoOf`. A request without one never reaches the SDK; throws INTERNAL if it does. */
export function callerFrom(authInfo: AuthInfo | undefined): Caller {
  const caller = authInfo?.extra?.caller;
  if (caller === undefined) throw new LitestreamError('INTERNAL', 'an MCP request without a caller');
  return caller as Caller;
}
