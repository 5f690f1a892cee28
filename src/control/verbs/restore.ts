/** `restore`: carries out one plan; without a plan's id it plans (mcp.md §9). Operators restore at once. */

import { defineVerb, notWired } from '../verb.ts';
import { restoreInput, restoreOutput } from './restore-schema.ts';

export const restore = defineVerb({
  name: 'restore',
  input: restoreInput,
  output: restoreOutput,
  effect: 'destroy',
  scope: 'restore',
  selfGated: true,
  run: notWired,
});
