/** A token that is accepted, without the token. */

import type { Scope } from '../control/caller.ts';

export interface TokenEntry {
  readonly name: string;
  /** SHA-256 of the token. */
  readonly digest: Buffer;
  readonly scopes: readonly Scope[];
  /** Globs of the databases the token is for; absent: all. Control keeps the others out of sight. */
  readonly databases?: readonly string[];
  /** ms since the epoch. */
  readonly expires?: number;
}
