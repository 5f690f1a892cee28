/** A control whose verbs answer from a table: the real schemas and rights, no engine. */

import { LitestreamError } from '../../../src/base/errors.ts';
import type { Control, VerbName } from '../../../src/control/control.ts';
import type { CallContext, Verb } from '../../../src/control/verb.ts';
import { VERBS } from '../../../src/control/verbs.ts';
import { SAMPLES } from './samples.ts';

export type Handler = (input: Readonly<Record<string, unknown>>, call: CallContext) => Promise<unknown> | unknown;

export interface FakeControl extends Control {
  /** Every call that reached a verb. */
  readonly seen: { readonly name: VerbName; readonly input: Readonly<Record<string, unknown>>; readonly call: CallContext }[];
}

export interface FakeControlOptions {
  readonly attached?: Control['attached'];
  readonly handlers?: Partial<Record<VerbName, Handler>>;
}

export function fakeControl({ attached = 'daemon', handlers = {} }: FakeControlOptions = {}): FakeControl {
  const seen: FakeControl['seen'] = [];
  return {
    attached,
    seen,
    close: async () => {},
    call: async (name, input, call) => {
      const verb: Verb = VERBS[name];
      refuseWithoutRight(verb, call);
      const parsed = verb.input.safeParse(input);
      if (!parsed.success) {
        const [issue] = parsed.error.issues;
        throw new LitestreamError('USAGE', `The argument "${issue?.path.join('.')}" is not valid: ${issue?.message}`);
      }
      const record = parsed.data as Record<string, unknown>;
      seen.push({ name, input: record, call });
      const handler: Handler = handlers[name] ?? (() => SAMPLES[name]);
      return verb.output.parse(await handler(record, call)) as never;
    },
  };
}

function refuseWithoutRight(verb: Verb, { caller }: CallContext): void {
  const scope = verb.selfGated === true ? 'read' : verb.scope;
  if (!caller.scopes.includes(scope)) throw new LitestreamError('SCOPE_REQUIRED', `this needs the scope ${scope}`);
  const acts = verb.effect === 'act' || verb.effect === 'destroy';
  if (caller.readOnly && acts && verb.selfGated !== true) throw new LitestreamError('READ_ONLY', 'the server is in read-only mode');
}
