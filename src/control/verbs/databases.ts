/** `databases`: what is configured, in one line each. */

import { z } from 'zod';
import { formatTXID } from '../../formats/ltx/txid.ts';
import { type DatabaseFacts, readFacts } from '../database-facts.ts';
import { count, databaseState, envelope, pageOut, paging, replicaState, seconds, txidOut } from '../fields.ts';
import { shownEntries } from '../lookup.ts';
import { formatInstant, roundSeconds } from '../moment.ts';
import { numberKey, pageOf } from '../paging.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

const input = z.strictObject({ state: databaseState.optional(), ...paging });

const output = z.strictObject({
  ...envelope,
  databases: z.array(
    z.strictObject({
      name: z.string(),
      path: z.string(),
      state: databaseState,
      code: z.string().optional(),
      /** Why it is disabled, and what a person can do. */
      message: z.string().optional(),
      hint: z.string().optional(),
      size_bytes: count.optional(),
      txid: txidOut.optional(),
      replicas: z.array(
        z.strictObject({
          name: z.string(),
          type: z.string(),
          destination: z.string(),
          state: replicaState,
          lag_seconds: seconds.optional(),
        }),
      ),
    }),
  ),
  page: pageOut,
});

export const databases = defineVerb({ name: 'databases', input, output, effect: 'read', scope: 'read', run });

type Output = z.output<typeof output>;

async function run(world: World, args: z.output<typeof input>, call: CallContext): Promise<Output> {
  const entries = shownEntries(world, call.caller);
  const position = new Map(entries.map((entry, index) => [entry, index]));
  // Configured order, from the last backwards: pages descend.
  const key = (entry: (typeof entries)[number]) => numberKey(entries.length - (position.get(entry) ?? 0));
  if (args.state === undefined) {
    const { items, page } = pageOf(entries, key, { verb: 'databases', input: args });
    return { as_of: formatInstant(world.clock.now()), databases: (await readFacts(world, items, call.signal)).map(describe), page };
  }
  const facts = (await readFacts(world, entries, call.signal)).filter(({ state }) => state === args.state);
  const { items, page } = pageOf(facts, ({ entry }) => key(entry), { verb: 'databases', input: args });
  return { as_of: formatInstant(world.clock.now()), databases: items.map(describe), page };
}

function describe({ entry, state, code, message, hint, sizeBytes, position, replicas }: DatabaseFacts): Output['databases'][number] {
  return {
    name: entry.settings.name,
    path: entry.settings.path,
    state,
    ...(code === undefined ? {} : { code }),
    ...(state !== 'disabled' || message === undefined ? {} : { message }),
    ...(state !== 'disabled' || hint === undefined ? {} : { hint }),
    ...(sizeBytes === undefined ? {} : { size_bytes: sizeBytes }),
    ...(position === undefined ? {} : { txid: formatTXID(position.txid) }),
    replicas: replicas.map((replica) => ({
      name: replica.name,
      type: replica.type,
      destination: replica.destination,
      state: replica.state,
      ...(replica.lagSeconds === undefined ? {} : { lag_seconds: roundSeconds(replica.lagSeconds) }),
    })),
  };
}
