/** The one API: verbs by name, run here or in the daemon behind its private socket. */

import type { z } from 'zod';
import type { CallContext } from './verb.ts';
import type { VERBS } from './verbs.ts';

export type VerbName = keyof typeof VERBS;
export type VerbInput<N extends VerbName> = z.input<(typeof VERBS)[N]['input']>;
export type VerbOutput<N extends VerbName> = z.output<(typeof VERBS)[N]['output']>;

export interface Control {
  /** Where verbs run: in the process that replicates, or beside the replicas only. */
  readonly attached: 'daemon' | 'offline';
  /** Checks rights, validates the input, runs the verb. Rejects with a LitestreamError. */
  call<N extends VerbName>(name: N, input: VerbInput<N>, call: CallContext): Promise<VerbOutput<N>>;
  close(): Promise<void>;
}
