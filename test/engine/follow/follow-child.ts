/** A follower in a process of its own: `follow-child REPLICA COPY [STEP]`. With STEP it kills itself before that step on the disk. Prints notes as JSON lines. */

import { writeSync } from 'node:fs';
import { systemClock } from '../../../src/base/clock.ts';
import { type FollowDisk, followDisk } from '../../../src/engine/follow/disk.ts';
import { followReplica } from '../../../src/engine/follow/follow.ts';
import { layoutFor } from '../../../src/replica/layout.ts';
import { Replica } from '../../../src/replica/replica.ts';
import { FileStore } from '../../../src/storage/file/file.ts';

const [, , root = '', copy = '', step] = process.argv;
const stop = new AbortController();
const steps: string[] = [];
let isCounting = false;

const disk = Object.fromEntries(
  Object.entries(followDisk).map(([name, work]) => [
    name,
    (...args: never[]) => {
      if (isCounting && String(steps.length) === step) process.kill(process.pid, 'SIGKILL');
      if (isCounting) steps.push(name);
      return (work as (...values: never[]) => unknown)(...args);
    },
  ]),
) as unknown as FollowDisk;

process.on('SIGTERM', () => stop.abort(new Error('stopped')));

const tools = {
  source: new Replica(new FileStore({ type: 'file', path: root }), layoutFor('file')),
  disk,
  clock: systemClock,
  guard: { assertUnused: () => {} },
  checkIntegrity: async () => undefined,
  signal: stop.signal,
  onNote: (note: object) => {
    const text = JSON.stringify({ ...note, steps }, (_, value: unknown) => (typeof value === 'bigint' ? Number(value) : value));
    writeSync(1, `${text}\n`);
    // What happens before the copy goes on has tests of its own.
    isCounting = true;
  },
};
await followReplica({ output: copy, intervalMs: 5, integrity: 'none' }, tools).catch((error: unknown) => {
  if (!stop.signal.aborted) throw error;
});
