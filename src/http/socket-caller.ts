/** What a claim over the private socket is worth: the file's mode vouches for the user, never for a model being a person. */

import { LitestreamError } from '../base/errors.ts';
import type { Caller, Scope } from '../control/caller.ts';
import type { CallerClaim } from './socket-protocol.ts';

export interface SocketCallerRules {
  /** Name of the user who owns the socket. */
  readonly user: string;
  /** Read-only mode of the MCP doors: an upper bound for every stdio server. */
  readonly readOnly: boolean;
  /** Looks a token up; undefined for one that is not known. */
  readonly authenticate?: (
    token: string,
  ) => { readonly name: string; readonly scopes: readonly Scope[]; readonly databases?: readonly string[] } | undefined;
}

/** Doors that a person stands behind. A token in their environment is meant for the others and changes nothing. */
const PERSONAL: ReadonlySet<CallerClaim['door']> = new Set(['cli', 'library', 'socket']);

/** The caller that runs; its rights are never wider than claimed. UNAUTHORIZED for an unknown token. */
export function callerFor(claim: CallerClaim, token: string | undefined, rules: SocketCallerRules): Caller {
  const databases = claim.databases === undefined ? {} : { databases: claim.databases };
  if (PERSONAL.has(claim.door)) {
    const { door, scopes, readOnly, operator } = claim;
    return { principal: `cli:${rules.user}`, door, scopes, readOnly, operator, ...databases };
  }
  const granted = token === undefined ? { name: `stdio:${rules.user}`, scopes: ['read'] as const } : identify(token, rules);
  return {
    principal: granted.name,
    door: 'mcp-stdio',
    scopes: granted.scopes.filter((scope) => claim.scopes.includes(scope)),
    readOnly: claim.readOnly || rules.readOnly,
    operator: false,
    ...databases,
    ...('databases' in granted && granted.databases !== undefined ? { databases: granted.databases } : {}),
  };
}

function identify(token: string, { authenticate }: SocketCallerRules) {
  const known = authenticate?.(token);
  if (known !== undefined) return known;
  throw new LitestreamError('UNAUTHORIZED', 'the token is not one this server knows', {
    hint: 'Check LITESTREAM_MCP_TOKEN, or leave it out to read only.',
  });
}
