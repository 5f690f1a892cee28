/** Watched directories of databases as `status` tells them. */

import { z } from 'zod';
import type { DirectoryStatus } from '../service/service.ts';
import type { Caller } from './caller.ts';
import { count, instant } from './fields.ts';
import { formatInstant } from './moment.ts';
import type { World } from './world.ts';

export const directoryOut = z.strictObject({
  dir: z.string(),
  pattern: z.string(),
  state: z.enum(['starting', 'watching', 'waiting', 'degraded', 'stopped']),
  /** Databases of it that are replicated. */
  members: count,
  /** Files that cannot be replicated, and directories that cannot be watched. */
  problems: z.array(z.strictObject({ path: z.string(), code: z.string(), message: z.string(), since: instant })).optional(),
});

/** Problems told of one directory. */
const MOST_PROBLEMS = 20;

/** All of them; none for a caller who may know of some databases only. */
export function readDirectories(world: World, caller: Caller): readonly z.output<typeof directoryOut>[] {
  return caller.databases === undefined ? (world.service?.directories ?? []).map(describe) : [];
}

function describe({ dir, pattern, state, members, problems }: DirectoryStatus): z.output<typeof directoryOut> {
  const told = problems.slice(0, MOST_PROBLEMS).map(({ path, error, since }) => {
    const [message = ''] = error.message.split('\n', 1);
    return { path, code: error.code, message, since: formatInstant(since) };
  });
  return { dir, pattern, state, members, ...(told.length === 0 ? {} : { problems: told }) };
}
