/** The real engine thread, which does nothing at all from a message on the channel named here until the second number it brings is not 0; the first one says that it has begun. */

import '../../src/workers/engine-entry.ts';

const channel = new BroadcastChannel('freeze-engine-threads');
channel.onmessage = (event: unknown) => {
  const { data } = event as { readonly data: Int32Array };
  Atomics.store(data, 0, 1);
  Atomics.wait(data, 1, 0, 60_000);
};
channel.unref();
