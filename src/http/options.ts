/** Settings of listeners. */

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** As written. */
  readonly text: string;
  /** The address names no host. */
  readonly anyHost: boolean;
}
