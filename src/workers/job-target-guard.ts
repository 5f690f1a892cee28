/** Finds out in a process of its own whether a database that is to be replaced is in use. */

import { spawnSync } from 'node:child_process';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LitestreamError } from '../base/errors.ts';
import type { TargetGuard } from '../engine/restore/output.ts';

const TIMEOUT_MS = 30_000;

/** A second process because SQLite's locks of this one do not keep this one out, and would be lost by looking (decision 9). */
export const targetGuard: TargetGuard = {
  assertUnused: (path, metaPath = defaultMetaPath(path)) => {
    const found = probe(path, metaPath);
    if (found === 'owned') {
      throw inUse(path, 'it is being replicated', 'Stop the replication of this database first.');
    }
    if (found === 'locked') {
      throw inUse(path, 'another program has it open', 'Stop the programs that use the database first.');
    }
  },
};

const defaultMetaPath = (path: string): string => join(dirname(path), `.${basename(path)}-litestream`);

function probe(path: string, metaPath: string): 'owned' | 'locked' | 'free' {
  const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
  const script = fileURLToPath(new URL(`./job-lock-probe${extension}`, import.meta.url));
  const { stdout, stderr, error } = spawnSync(process.execPath, ['--no-warnings', script, path, metaPath], {
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  if (stdout === 'owned' || stdout === 'locked' || stdout === 'free') return stdout;
  throw new LitestreamError('OUTPUT_IN_USE', `replacing ${path}: it could not be found out whether it is in use`, {
    cause: error ?? new Error(stderr.trim() || 'the probe gave no answer'),
    hint: 'Check that the database and its directory can be read and written, or restore to another name.',
  });
}

function inUse(path: string, what: string, hint: string): LitestreamError {
  return new LitestreamError('OUTPUT_IN_USE', `replacing ${path}: ${what}`, { hint });
}
