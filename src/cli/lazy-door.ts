/** A door whose heavy half is loaded by the first command that needs it. */

import type { Door } from './door.ts';

export type Stdio = Pick<Door, 'stdin' | 'stdout' | 'stderr'>;

/** `load` is called at most once, and not at all by commands that only print. */
export function createLazyDoor(env: Door['env'], stdio: Stdio, load: () => Promise<Door>): Door {
  let loading: Promise<Door> | undefined;
  const inner = () => (loading ??= load());
  return {
    env,
    ...stdio,
    loadConfig: async (choice) => (await inner()).loadConfig(choice),
    settingsFor: async (database, urls) => (await inner()).settingsFor(database, urls),
    attach: async (settings) => (await inner()).attach(settings),
    offline: async (settings) => (await inner()).offline(settings),
    startDaemon: async (settings, signal) => (await inner()).startDaemon(settings, signal),
    follow: async (settings, wish, listener) => (await inner()).follow(settings, wish, listener),
    serveMCPStdio: async (settings, options) => (await inner()).serveMCPStdio(settings, options),
  };
}
