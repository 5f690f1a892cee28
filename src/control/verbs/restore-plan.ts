/** `restore_plan`: what a restore would do; hands out the id that carries it out (docs/mcp.md, A restore takes two calls). */

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
