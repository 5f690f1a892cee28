/** Gives memory that the garbage collector of this thread holds back to the system, after work that will not come again soon. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { readonly type: 'major'; readonly execution: 'sync'; readonly flavor: 'last-resort' }) => void;

let collect: Collect | undefined;

/** Stops this thread for some 100 ms for every 100 MB in use: not for every day. V8 by itself keeps what a burst has needed. */
export function releaseMemory(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
