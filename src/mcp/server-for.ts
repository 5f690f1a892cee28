/** Whom a protocol server is made for. */

import type { Caller } from '../control/caller.ts';

export interface ServerFor {
  readonly caller: Caller;
  readonly era: 'legacy' | 'modern';
  readonly transport: 'http' | 'sse' | 'stdio' | 'memory';
}
