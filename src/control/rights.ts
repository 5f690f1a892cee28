/** Who may do what: the one place that decides (docs/mcp.md, Who may do what). */

import { LitestreamError } from '../base/errors.ts';
import type { Caller, Effect } from './caller.ts';
import type { Verb } from './verb.ts';

const CHANGES: ReadonlySet<Effect> = new Set(['act', 'destroy']);

/** READ_ONLY or SCOPE_REQUIRED unless `caller` may do what has this effect and scope. */
export function requireRights(caller: Caller, { effect, scope }: Pick<Verb, 'effect' | 'scope'>): void {
  if (caller.readOnly && CHANGES.has(effect)) {
    throw new LitestreamError('READ_ONLY', 'this server is in read-only mode', {
      details: { setting: 'mcp.read-only' },
      hint: 'A person can do this on the host; mcp.read-only decides what is possible from here.',
    });
  }
  if (caller.scopes.includes(scope)) return;
  throw new LitestreamError('SCOPE_REQUIRED', `this needs the scope "${scope}", which ${caller.principal} does not have`, {
    details: { scope },
    hint: 'The person who runs the server decides which scopes a token has.',
  });
}

/** Checks a call of `verb`. A self-gated verb is open to readers and refuses the rest itself. */
export function authorise(verb: Verb, caller: Caller): void {
  if (verb.selfGated) requireRights(caller, { effect: 'read', scope: 'read' });
  else requireRights(caller, verb);
}
