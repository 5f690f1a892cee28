/** Lists a store in a process of its own, with an environment of its own: credentials of the environment are those of a process. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { StoreSpec } from '../../src/storage/spec.ts';
import type { ChildAnswer } from './list-child.ts';

const CHILD = fileURLToPath(new URL('./list-child.ts', import.meta.url));

/** Lists the whole store of `spec`, or none for null. What the process wrote on stderr is in `stderr`. */
export async function listInProcess(
  spec: StoreSpec | null,
  environment: Readonly<Record<string, string>> = {},
): Promise<ChildAnswer & { readonly stderr: string }> {
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', ...environment };
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [CHILD, JSON.stringify(spec)], { env, timeout: 60_000 });
  return { ...(JSON.parse(stdout) as ChildAnswer), stderr };
}
