/** Frees the buffers that this thread has let go of lately, which V8 would let come together. */

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { readonly type: 'minor'; readonly execution: 'sync' }) => void;

let collect: Collect | undefined;

/** Takes a millisecond or two. V8 by itself waits for 32 MiB of them in every thread. */
export function collectYoung(): void {
  if (collect === undefined) {
    setFlagsFromString('--expose-gc');
    collect = runInNewContext('gc') as Collect;
  }
  collect({ type: 'minor', execution: 'sync' });
}
