/** `check`: what a destination can do, step by step, on a scratch object in the replica's own prefix. */

import { z } from 'zod';
import { errorToData } from '../../base/errors.ts';
import { redact } from '../../base/redact.ts';
import type { ReplicaSettings } from '../../engine/options.ts';
import type { DatabaseEntry } from '../../service/options.ts';
import { describeSkew, explainFailure } from '../../storage/check/explain.ts';
import { CHECK_STEPS, type CheckStep, checkStore } from '../../storage/check/steps.ts';
import { count, envelope, path } from '../fields.ts';
import { findDatabase, findReplicas, visibleEntries } from '../lookup.ts';
import { formatInstant } from '../moment.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

/** A person waits: what passes by itself is tried once more and no longer. */
const RETRY = { settings: { attempts: 2, initialMs: 500, capMs: 2_000, totalMs: 10_000 } };

/** Destinations asked at once. */
const AT_ONCE = 4;

const input = z.strictObject({
  path: path.optional(),
  replica: z.string().min(1).max(200).describe('Replica name; left out: all').optional(),
});

const step = z.strictObject({
  name: z.enum(CHECK_STEPS),
  outcome: z.enum(['passed', 'failed', 'missing', 'skipped']),
  duration_ms: count,
  note: z.string().optional(),
  code: z.string().optional(),
  /** One sentence. */
  cause: z.string().optional(),
  fix: z.string().optional(),
});

const output = z.strictObject({
  ...envelope,
  replicas: z.array(
    z.strictObject({
      database: z.string(),
      replica: z.string(),
      type: z.string(),
      destination: z.string(),
      outcome: z.enum(['passed', 'failed']),
      steps: z.array(step),
      clock: z.string().describe('What is wrong with the clock, where that can be told').optional(),
      warnings: z.array(z.string()).describe('What about the destination endangers what is kept there').optional(),
      /** Scratch objects that could not be deleted. */
      leftovers: z.array(z.string()).optional(),
    }),
  ),
});

export const check = defineVerb({ name: 'check', input, output, effect: 'act', scope: 'operate', run });

type Checked = z.output<typeof output>['replicas'][number];

async function run(world: World, args: z.output<typeof input>, call: CallContext): Promise<z.output<typeof output>> {
  const entries = args.path === undefined ? visibleEntries(world, call.caller) : [findDatabase(world, call.caller, args.path)];
  const pairs = entries.flatMap((entry) => findReplicas(entry, args.replica).map((settings) => ({ entry, settings })));
  const replicas: Checked[] = [];
  for (let at = 0; at < pairs.length; at += AT_ONCE) {
    const batch = pairs.slice(at, at + AT_ONCE);
    replicas.push(...(await Promise.all(batch.map(({ entry, settings }) => checkOne(world, entry, settings, call.signal)))));
  }
  return { as_of: formatInstant(world.clock.now()), replicas };
}

async function checkOne(world: World, entry: DatabaseEntry, settings: ReplicaSettings, signal: AbortSignal): Promise<Checked> {
  const identity = { database: entry.settings.name, replica: settings.name, type: settings.store.type };
  const unopened = { ...identity, destination: '', outcome: 'failed' as const };
  const opened = await world.replicas.openAnew(settings, { retry: RETRY }).catch((error: unknown) => {
    // Files it needs to log in, such as keys, may be missing.
    return { error };
  });
  if ('error' in opened)
    return { ...unopened, steps: [describe({ name: 'write', outcome: 'failed', durationMs: 0, error: opened.error }, settings)] };
  try {
    const { steps, clockSkewMs, leftovers } = await checkStore(opened.store, opened.aux.key('litestream-check'), { signal });
    // Where it cannot be asked, the steps have said why.
    const warnings = (await opened.store.concerns?.({ signal }).catch(() => [])) ?? [];
    const skew = clockSkewMs ?? skewIn(steps);
    return {
      ...identity,
      destination: redact(opened.store.destination),
      outcome: steps.some((one) => one.outcome === 'failed') ? 'failed' : 'passed',
      steps: steps.map((one) => describe(one, settings)),
      ...(skew === undefined ? {} : { clock: describeSkew(skew) }),
      ...(warnings.length === 0 ? {} : { warnings: warnings.map(redact) }),
      ...(leftovers.length === 0 ? {} : { leftovers: [...leftovers] }),
    };
  } finally {
    await opened.close().catch(() => {}); // the answer stands
  }
}

function describe({ name, outcome, durationMs, note, error }: CheckStep, { store }: ReplicaSettings): z.output<typeof step> {
  const facts = { name, outcome, duration_ms: Math.round(durationMs), ...(note === undefined ? {} : { note }) };
  if (error === undefined) return facts;
  const { code, cause, fix } = explainFailure(error, name, store);
  return { ...facts, code, cause: redact(cause), fix: redact(fix) };
}

/** As a refusal told it. */
function skewIn(steps: readonly CheckStep[]): number | undefined {
  for (const { error } of steps) {
    const skew = error === undefined ? undefined : errorToData(error).details?.clockSkewMs;
    if (typeof skew === 'number') return skew;
  }
  return undefined;
}
