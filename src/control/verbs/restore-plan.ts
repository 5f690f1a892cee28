/** `restore_plan`: what a restore would do; hands out the id that carries it out (mcp.md §9.1). */

import { planForCaller } from '../restore-planning.ts';
import { defineVerb } from '../verb.ts';
import { planInput, restoreOutput } from './restore-schema.ts';

export const restorePlan = defineVerb({
  name: 'restore_plan',
  input: planInput,
  output: restoreOutput,
  effect: 'read',
  scope: 'read',
  run: planForCaller,
});
