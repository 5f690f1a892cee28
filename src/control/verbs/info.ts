/** `info`: is everything protected, who am I here, what is worst. */

import { z } from 'zod';
import { type DatabaseFacts, readFacts } from '../database-facts.ts';
import { count, databaseState, envelope, instant, seconds } from '../fields.ts';
import { shownEntries } from '../lookup.ts';
import { formatInstant, roundSeconds } from '../moment.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

const input = z.strictObject({});

const output = z.strictObject({
  ...envelope,
  server: z.strictObject({
    version: z.string(),
    /** Absent offline. */
    pid: count.optional(),
    started_at: instant.optional(),
    uptime_seconds: seconds.optional(),
    read_only: z.boolean(),
    attached: z.enum(['daemon', 'offline']),
    /** Revision spoken in this session, where a door has one. */
    protocol: z.string().optional(),
  }),
  caller: z.strictObject({
    name: z.string(),
    scopes: z.array(z.string()),
    confirm: z.enum(['auto', 'elicit', 'operator']),
    toolsets: z.array(z.string()).optional(),
  }),
  databases: z.strictObject({
    total: count,
    replicating: count,
    waiting: count,
    starting: count,
    degraded: count,
    failing: count,
    stopped: count,
    disabled: count,
  }),
  worst: z.array(
    z.strictObject({
      database: z.string(),
      state: databaseState,
      code: z.string().optional(),
      /** Why it is disabled. */
      message: z.string().optional(),
      since: instant.optional(),
      lag_seconds: seconds.optional(),
      unprotected_seconds: seconds.optional(),
    }),
  ),
  proof: z.strictObject({ proven: count, unproven: count, failed: count, oldest_proof_at: instant.optional() }),
  jobs: z.strictObject({ running: count, queued: count }),
});

export const info = defineVerb({ name: 'info', input, output, effect: 'read', scope: 'read', run });

type Output = z.output<typeof output>;

const MOST_WORST = 5;
/** The worse the higher; states that are not here are no problem. */
const SEVERITY: Readonly<Partial<Record<DatabaseFacts['state'], number>>> = { disabled: 3, failing: 3, degraded: 2, stopped: 1 };

async function run(world: World, _input: z.output<typeof input>, { caller, signal, session }: CallContext): Promise<Output> {
  const facts = await readFacts(world, shownEntries(world, caller), signal);
  return {
    as_of: formatInstant(world.clock.now()),
    server: serverFacts(world, caller.readOnly, session?.protocol),
    caller: {
      name: caller.principal,
      scopes: [...caller.scopes],
      confirm: world.gate.confirm,
      ...(session?.toolsets === undefined ? {} : { toolsets: [...session.toolsets] }),
    },
    databases: countStates(facts),
    worst: worstOf(facts, world.service === undefined),
    proof: proofFacts(facts),
    jobs: { running: world.jobs.running, queued: world.jobs.queued },
  };
}

function serverFacts({ version, service, clock }: World, readOnly: boolean, protocol: string | undefined): Output['server'] {
  const running =
    service === undefined
      ? { attached: 'offline' as const }
      : {
          pid: process.pid,
          started_at: formatInstant(service.startedAt),
          uptime_seconds: roundSeconds((clock.now() - service.startedAt) / 1000),
          attached: 'daemon' as const,
        };
  return { version, read_only: readOnly, ...running, ...(protocol === undefined ? {} : { protocol }) };
}

function countStates(facts: readonly DatabaseFacts[]): Output['databases'] {
  const counts = { total: facts.length, replicating: 0, waiting: 0, starting: 0, degraded: 0, failing: 0, stopped: 0, disabled: 0 };
  for (const { state } of facts) counts[state] += 1;
  return counts;
}

/** Offline every database is stopped, which is then no news. */
function worstOf(facts: readonly DatabaseFacts[], offline: boolean): Output['worst'] {
  return facts
    .map((one) => ({ ...one, severity: offline && one.state === 'stopped' ? 0 : (SEVERITY[one.state] ?? 0) }))
    .filter(({ severity }) => severity > 0)
    .sort((a, b) => b.severity - a.severity || (b.unprotectedSeconds ?? 0) - (a.unprotectedSeconds ?? 0))
    .slice(0, MOST_WORST)
    .map(({ entry, state, code, message, since, replicas, unprotectedSeconds }) => {
      const lags = replicas.flatMap(({ lagSeconds }) => (lagSeconds === undefined ? [] : [lagSeconds]));
      const reason = code ?? replicas.find(({ lastError }) => lastError !== undefined)?.lastError?.code;
      return {
        database: entry.settings.name,
        state,
        ...(reason === undefined ? {} : { code: reason }),
        ...(state !== 'disabled' || message === undefined ? {} : { message }),
        ...(since === undefined ? {} : { since: formatInstant(since) }),
        ...(lags.length === 0 ? {} : { lag_seconds: roundSeconds(Math.max(...lags)) }),
        ...(unprotectedSeconds === undefined ? {} : { unprotected_seconds: roundSeconds(unprotectedSeconds) }),
      };
    });
}

/** A database counts as proven when one of its replicas is and none has failed. */
function proofFacts(facts: readonly DatabaseFacts[]): Output['proof'] {
  const proofs = facts.map(({ replicas }) => {
    if (replicas.some(({ proof }) => proof?.outcome === 'failed')) return 'failed';
    const passed = replicas.flatMap(({ proof }) => (proof?.outcome === 'passed' ? [proof.at] : []));
    return passed.length === 0 ? 'unproven' : Math.max(...passed);
  });
  const passed = proofs.filter((proof) => typeof proof === 'number');
  const failed = proofs.filter((proof) => proof === 'failed').length;
  return {
    proven: passed.length,
    unproven: facts.length - passed.length - failed,
    failed,
    ...(passed.length === 0 ? {} : { oldest_proof_at: formatInstant(Math.min(...passed)) }),
  };
}
