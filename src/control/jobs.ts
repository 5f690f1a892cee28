/** Long work that outlives the call that began it: whose it is, how far it is, what came of it. */

export interface Jobs {
  readonly running: number;
  readonly queued: number;
}
