/** `undo`: brings back what a forced restore replaced. For a person on the host only (docs/engine.md, Undo). */

import { z } from 'zod';
import { LitestreamError } from '../../base/errors.ts';
import type { UndoResult } from '../../engine/restore/undo.ts';
import { auditedBy } from '../audited.ts';
import { count, envelope, instant, path } from '../fields.ts';
import { findDatabase } from '../lookup.ts';
import { formatInstant } from '../moment.ts';
import { refuseLive } from '../restore-operator.ts';
import { requireRights } from '../rights.ts';
import { type CallContext, defineVerb } from '../verb.ts';
import type { World } from '../world.ts';

const input = z.strictObject({
  path: path.optional(),
  output: z.string().min(1).max(1024).describe('Restored file; left out: the database itself').optional(),
  dry_run: z.boolean().optional(),
});

const output = z.strictObject({
  ...envelope,
  mode: z.enum(['plan', 'done']),
  database: z.string(),
  output: z.string(),
  /** Where what comes back was kept, and since when. */
  from: z.string(),
  replaced_at: instant,
  size_bytes: count,
  /** Where what stood at `output` is kept now. */
  replaced: z.string().optional(),
});

export const undo = defineVerb({ name: 'undo', input, output, effect: 'destroy', scope: 'restore', selfGated: true, run });

async function run(world: World, args: z.output<typeof input>, call: CallContext): Promise<z.output<typeof output>> {
  requireRights(call.caller, { effect: 'destroy', scope: 'restore' });
  if (!call.caller.operator) {
    throw new LitestreamError('SCOPE_REQUIRED', 'bringing back what a restore replaced is for a person on the host', {
      hint: 'litestream restore -undo',
    });
  }
  const entry = findDatabase(world, call.caller, args.path);
  const { settings } = entry;
  const target = args.output ?? settings.path;
  const isPlan = args.dry_run === true;
  if (!isPlan) await refuseLive(world, target);
  const request = { output: target, dryRun: isPlan, ...(target === settings.path ? { metaPath: settings.metaPath } : {}) };
  const work = () => world.runJob('undo', request, { signal: call.signal });
  const act = { verb: 'undo', effect: 'destroy', database: settings.path, args: { output: target }, confirmedBy: 'operator' } as const;
  return answer(world, settings.path, isPlan, await (isPlan ? work() : recorded(world, call, act, work)));
}

async function recorded(world: World, call: CallContext, act: Parameters<typeof auditedBy>[2], work: () => Promise<UndoResult>) {
  const finish = auditedBy(world, call, act);
  const outcome = work();
  finish(outcome, ({ sizeBytes }) => sizeBytes);
  return outcome;
}

function answer(world: World, database: string, isPlan: boolean, result: UndoResult): z.output<typeof output> {
  return {
    as_of: formatInstant(world.clock.now()),
    mode: isPlan ? 'plan' : 'done',
    database,
    output: result.output,
    from: result.from,
    replaced_at: formatInstant(result.replacedAt),
    size_bytes: result.sizeBytes,
    ...(result.replacedPath === undefined ? {} : { replaced: result.replacedPath }),
  };
}
