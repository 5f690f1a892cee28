/** The real engine thread, which does nothing at all for as many ms as the channel named here says. */

import '../../src/workers/engine-entry.ts';

const channel = new BroadcastChannel('freeze-engine-threads');
channel.onmessage = (event: unknown) => {
  const { data } = event as { readonly data: number };
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, data);
};
channel.unref();
