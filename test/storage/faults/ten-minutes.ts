/** The life of a database through ten minutes in which its destination cannot be reached, while the application goes on committing. */

import { expect } from 'vitest';
import { openReplica } from '../../../src/replica/open.ts';
import type { ManagedDatabase } from '../../../src/service/managed-database.ts';
import { runJob } from '../../../src/workers/job-host.ts';
import { Setting } from '../../service/setting.ts';
import { FakeClock, settleFiles } from '../../support/fake-clock.ts';
import { FaultProxy } from '../../support/fault-proxy.ts';
import type { Backend } from './backend.ts';
import type { Rig } from './rig.ts';
import { PassingTime } from './time.ts';
import { PROXY_ERRORS } from './words.ts';

const MINUTE = 60_000;

/** How a destination goes away, and comes back. */
export interface Outage {
  begin(rig: Rig<Backend>): Promise<void> | void;
  end(rig: Rig<Backend>): Promise<void> | void;
}

/** Nobody listens. */
export const DOWN: Outage = { begin: ({ proxy }) => proxy.down(), end: ({ proxy }) => proxy.up() };

/** A proxy answers that the service is unwell. */
export const UNWELL: Outage = {
  begin: ({ proxy }) => {
    if (!(proxy instanceof FaultProxy)) throw new Error('only HTTP services answer');
    const [answer = { status: 500 }] = PROXY_ERRORS;
    proxy.script({ fault: { type: 'answer', answer }, times: Number.POSITIVE_INFINITY });
  },
  end: ({ proxy }) => proxy.heal(),
};

/** What a committed state is, to be compared with what is restored. */
interface Commit {
  readonly row: number;
  readonly txid: Awaited<ReturnType<ManagedDatabase['sync']>>['after'];
  readonly digest: string;
}

/**
 * Commits every half minute through the outage, lets it end, and calls nothing: the uploads have to catch up by themselves. Then restores the
 * state of the commits that `sample` picks.
 */
export async function tenMinutes(
  rig: Rig<Backend>,
  { begin, end }: Outage,
  sample: (commits: readonly Commit[]) => readonly Commit[],
): Promise<void> {
  const setting = new Setting();
  // Files carry real dates.
  const clock = new FakeClock(Date.now(), settleFiles);
  const time = new PassingTime(clock);
  try {
    setting.clock = clock;
    setting.openReplica = ({ store }) => openReplica(store, { clock, log: setting.log });
    const app = await setting.application();
    const replica = { name: 'one', store: rig.spec, syncIntervalMs: 1_000, maxSyncFiles: Number.POSITIVE_INFINITY };
    const { database } = await setting.start({ ...setting.entry(), replicas: [replica] });
    const commit = async (row: number): Promise<Commit> => {
      await app.exec(`INSERT INTO t (body) VALUES ('${row}')`);
      const { after } = await database.sync({ wait: false });
      return { row, txid: after, digest: await app.digest() };
    };
    const hasAll = async () => {
      const [status] = (await database.status()).replicas;
      return status?.state === 'replicating' && status.lagTXIDs === 0n;
    };
    await comes(hasAll, 'the replica is heard');
    const commits = [await commit(1)];
    await comes(hasAll, 'the first row is there');

    await begin(rig);
    for (let passed = 0; passed < 10 * MINUTE; passed += MINUTE / 2) {
      commits.push(await commit(commits.length + 1));
      await time.pass(MINUTE / 2, 5_000);
    }
    const { state, unprotectedSeconds, replicas } = await database.status();
    expect(replicas[0]).toMatchObject({ state: 'failing', lastError: { error: { code: 'STORAGE_UNAVAILABLE' } } });
    expect(unprotectedSeconds).toBeGreaterThan(540);
    expect(state).not.toBe('replicating');

    await end(rig);
    const healed = clock.now();
    const asked = rig.asked;
    time.step = 1_000;
    await comes(() => rig.asked > asked, 'the destination is tried again');
    expect(clock.now() - healed).toBeLessThan(7 * MINUTE);
    time.step = 50;
    await comes(hasAll, 'it has caught up by itself');
    expect((await database.status()).state).toBe('replicating');
    // Time passes faster than sockets: some requests look silent, and each of these is told.
    const told = setting.lines.filter(({ level, message }) => /error|warn/.test(level) && !/retrying$/.test(message));
    expect(told.length < 30 ? [] : told, 'lines of one trouble').toEqual([]);

    const store = rig.place.through(rig.place.target.port, rig.path);
    for (const { row, txid, digest } of sample(commits)) {
      const output = setting.at(`restored-${row}.db`);
      await runJob('restore', { store, target: { type: 'txid', txid }, output, integrity: 'quick' });
      expect({ row, digest: await app.digestFile(output) }).toEqual({ row, digest });
    }
  } finally {
    await setting.end();
    await time.stop();
  }
}

async function comes(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  await expect.poll(async () => condition(), { timeout: 120_000, interval: 20, message: what }).toBe(true);
}
