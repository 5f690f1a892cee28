/** Restore plans waiting for their second call. */

export interface Plans {
  readonly open: number;
}
