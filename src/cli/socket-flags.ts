/** Flags that the original's socket commands have: the socket is found through the databases now, the time limit stays. */

import { LitestreamError } from '../base/errors.ts';

export const SOCKET_FLAGS = { socket: 'string', timeout: 'int' } as const;

export const SOCKET_USAGE = `  -timeout SECONDS  how long to wait for the answer
  -socket PATH      accepted for older scripts; the daemon is found through its databases`;

/** Milliseconds; `fallback` is in seconds. Throws USAGE for 0 and less. */
export function socketTimeout({ timeout }: { readonly timeout?: number }, fallback: number): number {
  if (timeout !== undefined && timeout <= 0) throw new LitestreamError('USAGE', '-timeout is a number of seconds greater than 0');
  return (timeout ?? fallback) * 1000;
}
