/** The real engine thread, which throws when it is told to on the channel named by its environment. */

import '../../src/workers/engine-entry.ts';

const channel = new BroadcastChannel('crash-engine-threads');
channel.onmessage = () => {
  throw new Error('crashed by a test');
};
channel.unref();
