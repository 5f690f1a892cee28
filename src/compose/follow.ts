/** Follows a replica from the command line: chooses the replica, then hands over to a thread. */

import { existsSync } from 'node:fs';
import { systemClock } from '../base/clock.ts';
import { LitestreamError } from '../base/errors.ts';
import type { FollowListener, FollowWish } from '../cli/door.ts';
import type { Settings } from '../config/settings.ts';
import type { ReplicaSettings } from '../engine/options.ts';
import { openReplica } from '../replica/open.ts';
import { limited } from '../service/limited.ts';
import { disabledError } from '../service/unusable.ts';
import { runJob } from '../workers/job-host.ts';

/** How long a replica may take to say what it holds, ms. */
const ANSWER_LIMIT = 60_000;

/** Runs until the signal fires, with whose reason it rejects, or until only a person can help. */
export async function follow(settings: Settings, wish: FollowWish, { signal, onNote, onProgress }: FollowListener): Promise<'exists'> {
  const { path, output, intervalMs, integrity, ifAbsent } = wish;
  if (ifAbsent && existsSync(output)) return 'exists';
  const { store } = await chooseReplica(settings, path, wish.replica, signal);
  await runJob('follow', { store, output, intervalMs, integrity }, { signal, onNote, onProgress });
  throw new LitestreamError('INTERNAL', `following to ${output} ended by itself`);
}

/** The named one, the only one, or the one that is furthest. */
async function chooseReplica(
  { databases, disabled = [] }: Settings,
  path: string,
  name: string | undefined,
  signal: AbortSignal,
): Promise<ReplicaSettings> {
  const unusable = disabled.find(({ settings }) => settings.path === path);
  if (unusable !== undefined) throw disabledError(unusable);
  const replicas = databases.find(({ settings }) => settings.path === path)?.replicas ?? [];
  const candidates = replicas.filter((replica) => name === undefined || replica.name === name);
  const [first, ...others] = candidates;
  if (first === undefined) {
    throw new LitestreamError('REPLICA_NOT_FOUND', `${path} has no replica${name === undefined ? '' : ` called ${name}`}`, {
      hint: `Replicas: ${replicas.map((replica) => replica.name).join(', ') || 'none'}`,
    });
  }
  if (others.length === 0) return first;
  const positions = await Promise.all(candidates.map((candidate) => positionOf(candidate, signal)));
  const best = positions.reduce((most, position, index) => (position > (positions[most] ?? 0n) ? index : most), 0);
  return candidates[best] ?? first;
}

async function positionOf({ store }: ReplicaSettings, signal: AbortSignal): Promise<bigint> {
  const replica = await openReplica(store);
  try {
    const what = `asking ${replica.store.destination} for its position`;
    return await limited({ clock: systemClock, ms: ANSWER_LIMIT, what, signal }, (call) => replica.maxTXID(call));
  } finally {
    await replica.close();
  }
}
