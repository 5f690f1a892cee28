/** The directories in which a restore that a model proposed may create a file, resolved once and watched (docs/mcp.md, A restore takes two calls). */

import { mkdir, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { LitestreamError } from '../base/errors.ts';
import { isAlive } from '../base/process.ts';
import { factsOf, type Identity, identityOf, isWithin, realPathOf, sameIdentity } from './file-identity.ts';

export interface AllowedDirectory {
  /** As configured, absolute. */
  readonly configured: string;
  /** Without links, as it was at start. */
  readonly real: string;
  readonly identity: Identity;
}

/** Begins the name of every private directory a restore works in; then the process id. */
export const PRIVATE_PREFIX = '.litestream-restore-';

export class AllowedDirectories {
  readonly configured: readonly string[];
  #resolving: Promise<readonly (AllowedDirectory | LitestreamError)[]> | undefined;

  /** With `create` the directories are resolved, and where missing created, now; otherwise at the first use. What fails is reported then. */
  constructor(configured: readonly string[], { create }: { readonly create: boolean }) {
    this.configured = configured;
    if (create) void this.#resolved;
  }

  /** Resolves when nothing is being created any more. */
  async settled(): Promise<void> {
    await this.#resolving;
  }

  get #resolved(): Promise<readonly (AllowedDirectory | LitestreamError)[]> {
    this.#resolving ??= Promise.all(this.configured.map(resolveOnce));
    return this.#resolving;
  }

  /** The directories that are still what they were at start, in configured order. OUTPUT_NOT_ALLOWED when none is configured or none is left. */
  async usable(): Promise<readonly AllowedDirectory[]> {
    if (this.configured.length === 0) {
      throw new LitestreamError('OUTPUT_NOT_ALLOWED', 'output: no directory is set in which restores may create files', {
        details: { argument: 'output', valid: [] },
        hint: 'A person has to set mcp.restore-dirs in the configuration.',
      });
    }
    const checked = await Promise.all((await this.#resolved).map(recheck));
    const usable = checked.flatMap((directory) => (directory instanceof LitestreamError ? [] : [directory]));
    const problem = checked.find((directory) => directory instanceof LitestreamError);
    if (usable.length === 0 && problem !== undefined) throw problem;
    return usable;
  }

  /** The first configured directory, where relative outputs go; OUTPUT_NOT_ALLOWED when it is not what it was. */
  async first(): Promise<AllowedDirectory> {
    const usable = await this.usable();
    const [first] = await this.#resolved;
    if (first instanceof LitestreamError) throw first;
    const found = usable.find((directory) => directory.configured === this.configured[0]);
    if (found === undefined) throw replaced(this.configured[0] ?? '');
    return found;
  }

  /** Removes what restores of processes that are gone left behind. Best effort: a leftover costs space, nothing else. */
  async sweep(): Promise<void> {
    for (const directory of await Promise.all((await this.#resolved).map(recheck))) {
      if (directory instanceof LitestreamError) continue;
      for (const name of await readdir(directory.real)) {
        const pid = name.startsWith(PRIVATE_PREFIX) ? Number.parseInt(name.slice(PRIVATE_PREFIX.length), 10) : Number.NaN;
        if (Number.isInteger(pid) && !isAlive(pid)) await removePrivate(path.join(directory.real, name));
      }
    }
  }
}

async function resolveOnce(configured: string): Promise<AllowedDirectory | LitestreamError> {
  try {
    await mkdir(configured, { recursive: true, mode: 0o700 });
    const real = await realPathOf(configured);
    const facts = real === undefined ? undefined : await factsOf(real);
    if (real === undefined || facts === undefined || !facts.isDirectory()) return replaced(configured);
    return { configured, real, identity: { dev: facts.dev, ino: facts.ino } };
  } catch (cause) {
    return new LitestreamError('OUTPUT_NOT_ALLOWED', `output: the allowed directory ${configured} cannot be used`, {
      cause,
      details: { argument: 'output', valid: [] },
      hint: 'Create the directory, or correct mcp.restore-dirs, and start again.',
    });
  }
}

async function recheck(directory: AllowedDirectory | LitestreamError): Promise<AllowedDirectory | LitestreamError> {
  if (directory instanceof LitestreamError) return directory;
  const [real, identity] = await Promise.all([realPathOf(directory.configured), identityOf(directory.configured)]);
  const same = real === directory.real && identity !== undefined && sameIdentity(identity, directory.identity);
  return same ? directory : replaced(directory.configured);
}

function replaced(configured: string): LitestreamError {
  return new LitestreamError('OUTPUT_NOT_ALLOWED', `output: the allowed directory ${configured} was replaced since the program started`, {
    details: { argument: 'output', valid: [] },
    hint: 'Put the directory back, or start the program again after checking who replaced it.',
  });
}

async function removePrivate(target: string): Promise<void> {
  const facts = await factsOf(target);
  const uid = process.getuid?.();
  if (facts?.isDirectory() && (uid === undefined || facts.uid === BigInt(uid))) await rm(target, { recursive: true, force: true });
}

/** The allowed directory that holds `real`; undefined when none does. */
export function allowedFor(directories: readonly AllowedDirectory[], real: string): AllowedDirectory | undefined {
  return directories.find((directory) => isWithin(real, directory.real));
}
