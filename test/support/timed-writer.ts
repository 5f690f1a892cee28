/** An application that commits one small transaction after the other and notes how long each takes. */

import type { App } from './app-process.ts';

export interface Timed {
  readonly commits: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/** Writes into `t` (body) for `ms`, and until there are `least` commits, on a connection of its own; waits for locks for ten seconds. */
export function writeFor(app: App, ms: number, least = 0): Promise<Timed> {
  return app.run(
    (context, [duration, fewest]: readonly [number, number]) => {
      const db = context.open('timed');
      db.pragma('busy_timeout = 10000');
      db.pragma('synchronous = NORMAL');
      db.pragma('wal_autocheckpoint = 0');
      const insert = db.prepare('INSERT INTO t (body) VALUES (randomblob(200))');
      const times: number[] = [];
      // The pause leaves the write lock to others, as an application does between two requests.
      const pause = new Int32Array(new SharedArrayBuffer(4));
      const end = performance.now() + duration;
      while (performance.now() < end || times.length < fewest) {
        const start = performance.now();
        insert.run();
        times.push(performance.now() - start);
        Atomics.wait(pause, 0, 0, 2);
      }
      times.sort((a, b) => a - b);
      return { commits: times.length, p99Ms: times[Math.floor(times.length * 0.99)] ?? 0, worstMs: times.at(-1) ?? 0 };
    },
    [ms, least] as const,
  );
}
